"""Errors of MIDI."""

from export.errors import GlitchError


class MidiError(GlitchError):
    """MIDI cannot be used as requested."""


class MappingError(MidiError):
    """A mapping is invalid, or a mapping file cannot be read or written."""
