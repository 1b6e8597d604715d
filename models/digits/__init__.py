"""A VAE of handwritten digits, the smallest data set to study a VAE with.

| module | contents |
| --- | --- |
| `settings` | settings of network and training, presets |
| `network` | the VAE |
| `train`, `checkpoint` | the training and its result |
| `evaluate`, `previews` | evaluation and pictures |
"""

__all__ = ["checkpoint", "evaluate", "network", "previews", "settings", "train"]
