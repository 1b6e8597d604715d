"""Snapshots of all parameters and of model memory, and morphs between them."""
