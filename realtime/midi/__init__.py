"""MIDI: mapped controls, notes, clock, and feedback to controllers.

==================  ====================================================
`midi`              `Midi`: all of MIDI for one stage
`midi_router`       messages to controls, notes, clock and snapshots
`parameter_writer`  sets parameters, coalescing floods
`clock`             MIDI clock to tempo and song position
`curves`            positions of a control to values of a parameter
`controls`          mappings, pickup, learning and feedback
`notes`             notes, pedal, bends and MPE to the voices of a model
`protocol`          bytes to messages to events of controls
`ports`             ports by name, in a process of their own
`counts`, `errors`  counts of messages, error types
==================  ====================================================

Names are imported when they are first used: the process that owns the ports imports only `ports`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realtime.midi.controls.mapping import Mapping
    from realtime.midi.controls.mapping_file import MappingFile
    from realtime.midi.controls.mapping_source import Source
    from realtime.midi.errors import MappingError, MidiError
    from realtime.midi.midi import Midi
    from realtime.midi.ports.port_client import PortState, backends

__all__ = ["Mapping", "MappingError", "MappingFile", "Midi", "MidiError", "PortState", "Source", "backends"]

_MODULES = {
    "Mapping": "controls.mapping",
    "MappingError": "errors",
    "MappingFile": "controls.mapping_file",
    "Midi": "midi",
    "MidiError": "errors",
    "PortState": "ports.port_client",
    "Source": "controls.mapping",
    "backends": "ports.port_client",
}


def __getattr__(name: str) -> object:
    """Import a public name at its first use."""
    if name in _MODULES:
        return getattr(importlib.import_module(f"realtime.midi.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'realtime.midi' has no attribute '{name}'")
