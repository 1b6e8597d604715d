"""Errors of a training: wrong settings, an unreadable checkpoint, an interrupted or diverged run."""

from __future__ import annotations

from export.errors import GlitchError


class ConfigError(GlitchError):
    """A setting is unknown, of the wrong type or out of range."""


class CheckpointError(GlitchError):
    """A file is not a checkpoint of the expected kind, or is broken."""


class TrainingError(GlitchError):
    """A training was interrupted, or diverged."""
