"""MIDI, as players expect it: ports by name, learn, mapping, pickup, notes, clock, and feedback to the controller."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realtime.midi.controls.mapping import Mapping, MappingFile, Source
    from realtime.midi.midi import Midi
    from realtime.midi.ports.client import MidiError, PortState, backends

_WHERE = {
    "Mapping": "controls.mapping",
    "MappingFile": "controls.mapping",
    "Midi": "midi",
    "MidiError": "ports.client",
    "PortState": "ports.client",
    "Source": "controls.mapping",
    "backends": "ports.client",
}

__all__ = ["Mapping", "MappingFile", "Midi", "MidiError", "PortState", "Source", "backends"]


def __getattr__(name: str) -> object:
    """Import what is asked for only then: the process that owns the ports needs none of it."""
    if name in _WHERE:
        import importlib

        return getattr(importlib.import_module(f"realtime.midi.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'realtime.midi' has no attribute '{name}'")
