"""MIDI controls."""
