"""DCGAN: pictures from noise, and endless sound.

| module | contents |
| --- | --- |
| `settings` | settings of networks and training |
| `endless`, `pictures` | the networks for sound, and those for pictures |
| `adversarial` | the adversarial step and its loss |
| `export` | the model file |
| `domains`, `chunks` | data: pictures or spectra; stitched chunks |
| `module`, `train`, `checkpoint` | Lightning module, the training from data to checkpoint |
| `finish`, `previews`, `latent_directions` | results, and latents rotated by their effect |
"""

__all__ = [
    "adversarial",
    "checkpoint",
    "chunks",
    "domains",
    "endless",
    "export",
    "finish",
    "latent_directions",
    "module",
    "pictures",
    "previews",
    "settings",
    "train",
]
