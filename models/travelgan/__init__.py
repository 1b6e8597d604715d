"""TraVeLGAN on mel spectra: one kind of sound transformed into another, live.

| module | contents |
| --- | --- |
| `settings` | settings of networks and training, presets |
| `networks` | generator, discriminators, siamese network |
| `objective` | losses, and spectrograms generated in parts |
| `export` | the model file |
| `domain_spectra` | data |
| `lightning_module`, `train`, `checkpoint` | Lightning module, the training from sounds to checkpoint |
| `finish`, `previews`, `style_evaluation` | results |
"""

__all__ = [
    "checkpoint",
    "domain_spectra",
    "export",
    "finish",
    "lightning_module",
    "networks",
    "objective",
    "previews",
    "settings",
    "style_evaluation",
    "train",
]
