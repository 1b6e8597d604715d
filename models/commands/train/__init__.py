"""`glitch-lab train`: one command an architecture.

| module | command |
| --- | --- |
| `vae` | `train vae`: the spectral VAE, from any folder of sounds |
| `playable` | `train playable`: harmonics and noise, played by pitch and loudness |
| `travel` | `train travel`: one kind of sound transformed into another |
| `dcgan` | `train dcgan`: pictures from noise, or endless sound |
| `digits` | `train digits`: a VAE of handwritten digits |
"""

__all__ = ["dcgan", "digits", "playable", "travel", "vae"]
