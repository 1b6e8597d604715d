"""DCGAN: pictures from noise, and endless sound.

| module | contents |
| --- | --- |
| `settings` | settings of networks and training |
| `sound_networks`, `picture_networks` | the networks for sound, and those for pictures |
| `adversarial_step` | the adversarial step and its loss |
| `export` | the model file |
| `domains`, `stitching` | data: pictures or spectra; the latents of stitched chunks |
| `lightning_module`, `train`, `checkpoint` | Lightning module, the training from data to checkpoint |
| `finish`, `previews`, `latent_rotation` | results, and latents rotated by their effect |
"""

__all__ = [
    "adversarial_step",
    "checkpoint",
    "domains",
    "export",
    "finish",
    "latent_rotation",
    "lightning_module",
    "picture_networks",
    "previews",
    "settings",
    "sound_networks",
    "stitching",
    "train",
]
