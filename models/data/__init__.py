"""Sounds to train on: where they come from, and the manifest that lists them."""
