"""The error of files that hold data."""

from __future__ import annotations

from export.errors import GlitchError


class DataError(GlitchError):
    """Sounds, pictures or their manifest are missing, broken or inconsistent."""
