"""Minimal writer of standard MIDI files."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

TICKS_PER_SECOND = 960
"""480 ticks per quarter note, at MIDI's default tempo of 120 quarter notes a minute."""

_TICKS_PER_QUARTER = 480
_END_OF_TRACK = b"\xff\x2f\x00"
_ALL_SOUND_OFF = 120


@dataclass(frozen=True)
class Event:
    """A MIDI message and its time in ticks from the start."""

    tick: int
    message: bytes


def program(tick: int, number: int, channel: int = 0) -> Event:
    """Return a program change to a General MIDI program (0 to 127) on a channel, counted from 0."""
    return Event(tick, bytes([0xC0 + channel, number]))


def note(tick: int, pitch: int, velocity: int, ticks: int, channel: int = 0) -> tuple[Event, Event]:
    """Return note-on and note-off of a note that lasts `ticks`."""
    on, off = bytes([0x90 + channel, pitch, velocity]), bytes([0x80 + channel, pitch, 0])
    return Event(tick, on), Event(tick + ticks, off)


def all_sound_off(tick: int) -> Event:
    """Return the message that silences channel 1 at once, releases included."""
    return Event(tick, bytes([0xB0, _ALL_SOUND_OFF, 0]))


def encode(events: Iterable[Event], end: int) -> bytes:
    """Encode events as a MIDI file with one track that ends at the tick `end`.

    Returns
    -------
    file : bytes

    Source: Standard MIDI Files 1.0, "MThd", "MTrk" and variable-length quantities.
    """
    track = bytearray()
    now = 0
    for event in sorted(events, key=lambda event: event.tick):
        track += _variable_length(event.tick - now) + event.message
        now = event.tick
    track += _variable_length(max(0, end - now)) + _END_OF_TRACK
    header = b"MThd" + struct.pack(">IHHH", 6, 0, 1, _TICKS_PER_QUARTER)
    return header + b"MTrk" + struct.pack(">I", len(track)) + bytes(track)


def _variable_length(number: int) -> bytes:
    """Encode a number in groups of seven bits, highest first, with the top bit set on all but the last."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(0x80 | (number & 0x7F))
    return bytes(reversed(groups))
