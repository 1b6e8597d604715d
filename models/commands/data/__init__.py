"""`glitch-lab data`: one command a data set.

| module | command |
| --- | --- |
| `textures` | `data textures`: endless textures |
| `pair` | `data pair`: two domains for style transfer |
| `orchestra` | `data orchestra`: single notes of instruments |
| `voices` | `data voices`: single notes of singing voices |
| `folder` | `data folder`: the manifest of any folder of sounds |
"""

__all__ = ["folder", "orchestra", "pair", "textures", "voices"]
