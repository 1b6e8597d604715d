"""The playable model, trained by `glitch-lab train playable`: a VAE of harmonics and noise.

| module | contents |
| --- | --- |
| `settings` | settings of the training |
| `network` | `PlayableVae` |
| `objective` | distance between frames |
| `export` | the model file |
| `instrument_presets`, `live_sound_encoder` | presets, and the encoder of live sound |
| `frame_store` | data |
| `lightning_module`, `train`, `checkpoint` | Lightning module, the training from notes to checkpoint |
| `finish`, `latent_measurement`, `replay` | results, and model files played offline |
"""

__all__ = [
    "checkpoint",
    "export",
    "finish",
    "frame_store",
    "instrument_presets",
    "latent_measurement",
    "lightning_module",
    "live_sound_encoder",
    "network",
    "objective",
    "replay",
    "settings",
    "train",
]
