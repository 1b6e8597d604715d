"""MIDI ports in a process of their own."""
