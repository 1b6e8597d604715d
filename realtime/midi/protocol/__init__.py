"""MIDI protocol."""
