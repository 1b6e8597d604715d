"""The spectral VAE: a decoder of spectra with given pitch and loudness.

| module | contents |
| --- | --- |
| `settings` | settings of network and training, presets |
| `network` | `SpectralVae` |
| `objective` | distance between spectra |
| `export` | the model file |
| `frames`, `module`, `train`, `checkpoint` | data, Lightning module, the training from sounds to checkpoint |
| `finish`, `report`, `previews`, `latent_plot`, `latent_stats` | results |
"""

__all__ = [
    "checkpoint",
    "export",
    "finish",
    "frames",
    "latent_plot",
    "latent_stats",
    "module",
    "network",
    "objective",
    "previews",
    "report",
    "settings",
    "train",
]
