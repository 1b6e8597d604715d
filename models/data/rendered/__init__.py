"""Data sets that are rendered: instruments, voices, textures, pairs of domains."""
