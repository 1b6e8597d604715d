"""Standard MIDI files, as far as rendering notes needs them."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

TICKS_PER_SECOND = 960
"""480 ticks a quarter note, at the 120 quarter notes a minute that a MIDI file has unless it says otherwise."""

_TICKS_PER_QUARTER = 480
_END_OF_TRACK = b"\xff\x2f\x00"
_ALL_SOUND_OFF = 120


@dataclass(frozen=True)
class Event:
    """A MIDI message at a time, in ticks from the start."""

    tick: int
    message: bytes


def program(tick: int, number: int, channel: int = 0) -> Event:
    """Choose the General MIDI program `number` (0 to 127) on a channel, counted from 0."""
    return Event(tick, bytes([0xC0 + channel, number]))


def note(tick: int, pitch: int, velocity: int, ticks: int, channel: int = 0) -> tuple[Event, Event]:
    """Play a note for so many ticks."""
    on, off = bytes([0x90 + channel, pitch, velocity]), bytes([0x80 + channel, pitch, 0])
    return Event(tick, on), Event(tick + ticks, off)


def all_sound_off(tick: int) -> Event:
    """Silence channel 1 at once, releases included."""
    return Event(tick, bytes([0xB0, _ALL_SOUND_OFF, 0]))


def encode(events: Iterable[Event], end: int) -> bytes:
    """Write events as a MIDI file of one track that ends at the tick `end`.

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
    """Write a number in groups of seven bits, the highest first, the top bit set on all but the last."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(0x80 | (number & 0x7F))
    return bytes(reversed(groups))
