"""Training of VAEs on frames of sound: the data (`sound_segments`) and the Lightning module (`module`)."""

__all__ = ["module", "sound_segments"]
