"""Widgets that are painted for the stage: `fader` and `meter`."""

__all__ = ["fader", "meter"]
