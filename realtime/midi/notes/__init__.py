"""MIDI notes."""
