"""Training of VAEs on frames of sound: the data (`sound_segments`) and the Lightning module (`lightning_module`)."""

__all__ = ["lightning_module", "sound_segments"]
