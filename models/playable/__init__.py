"""The playable model: harmonics and noise, with pitch and loudness as controls.

| module | contents |
| --- | --- |
| `settings` | settings of the training |
| `network` | `PlayableVae` |
| `objective` | distance between frames |
| `export` | the model file |
| `instruments`, `spectral_encoder` | presets, and the encoder of live sound |
| `frames`, `module`, `train`, `checkpoint` | data, Lightning module, the training from notes to checkpoint |
| `finish`, `latent_stats`, `replay` | results, and model files played offline |
"""

__all__ = [
    "checkpoint",
    "export",
    "finish",
    "frames",
    "instruments",
    "latent_stats",
    "module",
    "network",
    "objective",
    "replay",
    "settings",
    "spectral_encoder",
    "train",
]
