"""Whole sounds through a model file, frame by frame as on stage: encoded, decoded again, and measured.

- `encoded_sound`: latents and control tracks of a sound file
- `control_tracks`: pitch and loudness of a sound
- `roundtrip`: `encode`, `decode` and phase inversion in turn, for evaluation
"""

__all__ = ["control_tracks", "encoded_sound", "roundtrip"]
