"""The spectral VAE, trained by `glitch-lab train vae`: a decoder of spectra with given pitch and loudness.

| module | contents |
| --- | --- |
| `settings` | settings of network and training, presets |
| `network` | `SpectralVae` |
| `objective` | distance between spectra |
| `export` | the model file |
| `frame_store` | data |
| `lightning_module`, `train`, `checkpoint` | Lightning module, the training from sounds to checkpoint |
| `finish`, `report`, `previews`, `latent_plot`, `latent_measurement` | results |
"""

__all__ = [
    "checkpoint",
    "export",
    "finish",
    "frame_store",
    "latent_measurement",
    "latent_plot",
    "lightning_module",
    "network",
    "objective",
    "previews",
    "report",
    "settings",
    "train",
]
