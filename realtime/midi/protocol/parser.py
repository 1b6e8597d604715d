"""MIDI bytes to messages, whole or in pieces, with running status; what is no MIDI is passed over.

One row a status byte, as in the MIDI 1.0 specification (1996, tables I to VII).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "note_off",
    "note_on",
    "poly_pressure",
    "cc",
    "program",
    "pressure",
    "bend",
    "song_position",
    "clock",
    "start",
    "continue",
    "stop",
]

SYSEX, SYSEX_END, REAL_TIME = 0xF0, 0xF7, 0xF8
BEND_MIDDLE = 8192

# status: kind, data bytes
CHANNEL: dict[int, tuple[Kind, int]] = {
    0x80: ("note_off", 2),
    0x90: ("note_on", 2),
    0xA0: ("poly_pressure", 2),
    0xB0: ("cc", 2),
    0xC0: ("program", 1),
    0xD0: ("pressure", 1),
    0xE0: ("bend", 2),
}
SYSTEM: dict[int, tuple[Kind | None, int]] = {
    0xF1: (None, 1),  # time code
    0xF2: ("song_position", 2),
    0xF3: (None, 1),  # song select
    0xF6: (None, 0),  # tune request
    0xF8: ("clock", 0),
    0xFA: ("start", 0),
    0xFB: ("continue", 0),
    0xFC: ("stop", 0),
}


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes
    ----------
    channel
        1 to 16; 0 where there is none.
    number
        Note, controller or program number; 0 where there is none.
    value
        Velocity, value or pressure, 0 to 127; a bend from -8192 to 8191; a song position in sixteenths.
    """

    kind: Kind
    channel: int = 0
    number: int = 0
    value: int = 0


class Parser:
    """Reads the bytes of one port, in pieces of any size."""

    def __init__(self) -> None:
        self._status = 0  # 0: wait for a status byte
        self._first: int | None = None

    def feed(self, data: Iterable[int]) -> Iterator[Message]:
        """Give every message that is complete now."""
        for byte in data:
            if byte >= REAL_TIME:  # may come between the bytes of others
                kind = SYSTEM.get(byte, (None, 0))[0]
                if kind is not None:
                    yield Message(kind)
            elif byte >= 0x80:
                self._begin(byte)
            elif self._status:
                message = self._take(byte)
                if message is not None:
                    yield message

    def _begin(self, status: int) -> None:
        self._first = None
        known = status < SYSEX or SYSTEM.get(status, (None, 0))[1] > 0
        self._status = status if known else 0  # the bytes of a sysex have no status and are passed over

    def _take(self, byte: int) -> Message | None:
        status = self._status
        kind, length = CHANNEL[status & 0xF0] if status < SYSEX else SYSTEM[status]
        if length == 2 and self._first is None:
            self._first = byte
            return None
        first, self._first = self._first, None
        if status >= SYSEX:
            self._status = 0  # system messages have no running status
        return None if kind is None else _message(kind, status, first or 0, byte)


def _message(kind: Kind, status: int, first: int, last: int) -> Message:
    """Make a message; of one data byte, `last` is the one."""
    channel = (status & 0x0F) + 1
    if kind == "song_position":
        return Message(kind, value=first | last << 7)
    if kind == "bend":
        return Message(kind, channel, value=(first | last << 7) - BEND_MIDDLE)
    if kind == "program":
        return Message(kind, channel, number=last)
    if kind == "pressure":
        return Message(kind, channel, value=last)
    if kind == "note_on" and last == 0:
        return Message("note_off", channel, first, 64)
    return Message(kind, channel, first, last)
