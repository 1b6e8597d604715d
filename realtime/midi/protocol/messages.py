"""MIDI messages as a table: one row for each status byte, types named as in mido.

Source: MIDI 1.0 Detailed Specification, version 4.2.1 (MIDI Manufacturers Association, 1996), tables I to VI.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

MessageType = Literal[
    "note_off",
    "note_on",
    "polytouch",
    "control_change",
    "program_change",
    "aftertouch",
    "pitchwheel",
    "songpos",
    "clock",
    "start",
    "continue",
    "stop",
]

Layout = Literal["", "number", "value", "number value", "lsb msb"]
"""Data bytes of a message, in their order."""

FIRST_SYSTEM, FIRST_REAL_TIME = 0xF0, 0xF8  # status bytes without a channel, from here on
PITCHWHEEL_CENTRE = 8192
NOTE_OFF_VELOCITY = 64  # of a note-on with velocity 0, which stands for a note-off


@dataclass(frozen=True, slots=True)
class Spec:
    """The row of a status byte; a message without a type is read and dropped."""

    type: MessageType | None
    layout: Layout = ""

    @property
    def length(self) -> int:
        """Number of data bytes."""
        return len(self.layout.split())


# The lower four bits of the status byte are the channel, 0 to 15.
CHANNEL_SPECS: dict[int, Spec] = {
    0x80: Spec("note_off", "number value"),
    0x90: Spec("note_on", "number value"),
    0xA0: Spec("polytouch", "number value"),
    0xB0: Spec("control_change", "number value"),
    0xC0: Spec("program_change", "number"),
    0xD0: Spec("aftertouch", "value"),
    0xE0: Spec("pitchwheel", "lsb msb"),
}
SYSTEM_SPECS: dict[int, Spec] = {
    0xF1: Spec(None, "value"),  # quarter_frame
    0xF2: Spec("songpos", "lsb msb"),
    0xF3: Spec(None, "value"),  # song_select
    0xF6: Spec(None),  # tune_request
    0xF8: Spec("clock"),
    0xFA: Spec("start"),
    0xFB: Spec("continue"),
    0xFC: Spec("stop"),
}


def _by_status() -> dict[int, Spec]:
    channel = {status | low: spec for status, spec in CHANNEL_SPECS.items() for low in range(16)}
    return channel | SYSTEM_SPECS


SPECS = _by_status()
"""Specification of every known status byte, 0x80 to 0xFF; system exclusive isn't among them."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes
    ----------
    type
        Name of the type, as in mido.
    channel
        1 to 16; 0 for messages without a channel.
    number
        Note, controller or program, 0 to 127; 0 for messages without one.
    value
        Velocity, controller value or pressure, 0 to 127; of a pitchwheel -8192 to 8191; of a songpos 0 to 16383, in
        sixteenth notes.
    """

    type: MessageType
    channel: int = 0
    number: int = 0
    value: int = 0


def decode(status: int, data: Sequence[int] = ()) -> Message | None:
    """Decode a whole message.

    Parameters
    ----------
    status
        A status byte of `SPECS`.
    data
        As many data bytes as the message has, each 0 to 127.

    Returns
    -------
    Message or None
        The message, with a note-on of velocity 0 as a note-off; None for a type that isn't used.
    """
    spec = SPECS[status]
    if spec.type is None:
        return None
    channel = (status & 0x0F) + 1 if status < FIRST_SYSTEM else 0
    if spec.layout == "number value":
        number, value = data
        if spec.type == "note_on" and value == 0:
            return Message("note_off", channel, number, NOTE_OFF_VELOCITY)
        return Message(spec.type, channel, number, value)
    if spec.layout == "lsb msb":
        lsb, msb = data
        zero = PITCHWHEEL_CENTRE if spec.type == "pitchwheel" else 0
        return Message(spec.type, channel, value=(lsb | msb << 7) - zero)
    if spec.layout == "number":
        return Message(spec.type, channel, number=data[0])
    if spec.layout == "value":
        return Message(spec.type, channel, value=data[0])
    return Message(spec.type)
