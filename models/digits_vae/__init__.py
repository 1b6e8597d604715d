"""A VAE of handwritten digits, trained by `glitch-lab train digits`; it is built from the parts in `models.vae`.

| module | contents |
| --- | --- |
| `settings` | settings of network and training, presets |
| `network` | the VAE |
| `train`, `checkpoint` | the training and its result |
| `evaluate`, `previews` | evaluation and pictures |
"""

__all__ = ["checkpoint", "evaluate", "network", "previews", "settings", "train"]
