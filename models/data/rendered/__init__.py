"""Synthesised data sets: single notes, voices, textures and pairs of domains.

- `orchestra`, `voices`: single notes of instruments and of singing voices
- `textures`: endless textures
- `pairs`: two domains for style transfer, from `random_melodies` or `barks`
- `fluidsynth`, `midi`, `note_files`: rendering and files
"""

__all__ = ["barks", "fluidsynth", "midi", "note_files", "orchestra", "pairs", "random_melodies", "textures", "voices"]
