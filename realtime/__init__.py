"""The stage: plays models live, controlled over OSC, MIDI and from Python. `glitch-live` is its command.

It never imports PyTorch. From the ground up:

===========  ============================================================
`ipc`        shared memory, rings, child processes, the clock
`params`     the table of every parameter
`dsp`        phase and mel inversion, resampler, framer, freeze, feedback
`latent`     the sources of the latent and their mixer
`effects`    effects and plug-ins
`engine`     a deck's sound, without its process
`audio`      the audio callback, the device process and its watchdog
`library`    models by name, opening and conversion
`decks`      deck processes, loading, look-ahead
`osc`        OSC and OSCQuery
`midi`       MIDI ports, mappings, notes, clock
`layouts`    pages for TouchOSC and Open Stage Control
`snapshots`  snapshots, rules, morphs
`takes`      recordings, the journal, takes and rendering
`session`    builds all of this and runs it
===========  ============================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realtime.session.session import Session
    from realtime.session.status.status import Status

__all__ = ["Session", "Status"]

_MODULES = {"Session": "realtime.session.session", "Status": "realtime.session.status.status"}


def __getattr__(name: str) -> object:
    """Import the session only when it is asked for: the window and the deck don't need it."""
    if name in _MODULES:
        import importlib

        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'realtime' has no attribute '{name}'")
