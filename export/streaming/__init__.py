"""Torch layers that stream, and torch modules as functions with explicit state."""
