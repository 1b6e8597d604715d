"""Training of VAEs on frames of sound: the data (`segments`) and the Lightning module (`module`)."""

__all__ = ["module", "segments"]
