"""Counts of what arrived through MIDI."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Counts:
    """Counts since the start.

    Attributes
    ----------
    messages
        Messages received, clock included.
    lost
        How often messages were lost because a port's queue was full or the MIDI system ended.
    coalesced
        Values replaced by later ones of the same parameter, because more arrived than could be applied.
    refused
        Messages and values that the stage didn't accept.
    last_refused
        The reason for the last one.
    """

    messages: int = 0
    lost: int = 0
    coalesced: int = 0
    refused: int = 0
    last_refused: str = ""
