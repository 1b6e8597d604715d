"""TraVeLGAN on mel spectra: one kind of sound transformed into another, live.

| module | contents |
| --- | --- |
| `settings` | settings of networks and training, presets |
| `networks` | generator, discriminators, siamese network |
| `objective` | losses, and spectrograms generated in parts |
| `export` | the model file |
| `spectra`, `module`, `train`, `checkpoint` | data, Lightning module, the training from sounds to checkpoint |
| `finish`, `previews`, `style_evaluation` | results |
"""

__all__ = [
    "checkpoint",
    "export",
    "finish",
    "module",
    "networks",
    "objective",
    "previews",
    "settings",
    "spectra",
    "style_evaluation",
    "train",
]
