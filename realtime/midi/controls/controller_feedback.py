"""Feedback to controllers: changed values, sent to motor faders, lights and rings."""

from __future__ import annotations

import time
from typing import Protocol

from export.errors import GlitchError
from realtime.midi.controls.mapped_control import MappedControl
from realtime.midi.controls.mapping_source import Source
from realtime.midi.controls.mapping_table import MappingTable
from realtime.midi.curves import to_position
from realtime.midi.ports.port_client import PortState
from realtime.midi.protocol.control_events import MAX_7_BIT, MAX_14_BIT
from realtime.midi.protocol.controllers import (
    ALL_NOTES_OFF,
    ALL_SOUND_OFF,
    DATA_ENTRY_LSB,
    DATA_ENTRY_MSB,
    LSB_OFFSET,
    NRPN_LSB,
    NRPN_MSB,
)
from realtime.params.stage_protocol import Stage

NOTE_ON, CONTROL_CHANGE, PITCHWHEEL = 0x90, 0xB0, 0xE0
INTERVAL_S = 0.04
MAX_UPDATES = 64  # controls updated in one interval
TOUCHED_S = 0.15  # no feedback to a control that moved this recently
TOLERANCE = 1e-6  # of the range: smaller changes aren't sent

PANIC = tuple(
    bytes((CONTROL_CHANGE | channel, number, 0)) for channel in range(16) for number in (ALL_SOUND_OFF, ALL_NOTES_OFF)
)


def messages(source: Source, position: float) -> list[bytes]:
    """Return the messages that move a control to a position, the same as the control itself sends.

    Parameters
    ----------
    source
        The control; channel 1 is used for one that is mapped on all channels.
    position
        0 to 1.

    Returns
    -------
    list of bytes
        Messages in their order: a controller `Bn number value`, a pair of them for 14 bits (MSB first), four for an
        NRPN (99, 98, 6, 38), a note-on `9n note value`, or a bend `En LSB MSB`; none for pressure and programs.
    """
    channel = (source.channel or 1) - 1
    number = source.number or 0
    value, value14 = round(position * MAX_7_BIT), round(position * MAX_14_BIT)
    msb, lsb = value14 >> 7, value14 & 0x7F
    controller = CONTROL_CHANGE | channel
    match source.type:
        case "cc":
            return [bytes((controller, number, value))]
        case "cc14":
            return [bytes((controller, number, msb)), bytes((controller, number + LSB_OFFSET, lsb))]
        case "nrpn":
            selection = (NRPN_MSB, number >> 7), (NRPN_LSB, number & 0x7F)
            return [bytes((controller, *pair)) for pair in (*selection, (DATA_ENTRY_MSB, msb), (DATA_ENTRY_LSB, lsb))]
        case "note":
            return [bytes((NOTE_ON | channel, number, value))]
        case "bend":
            return [bytes((PITCHWHEEL | channel, lsb, msb))]
    return []


class Outputs(Protocol):
    """The MIDI outputs."""

    @property
    def state(self) -> PortState:
        """Open and available ports."""

    def send(self, message: bytes, port: int = ...) -> None:
        """Send a message to an output."""


class ControllerFeedback:
    """Sends values that were changed elsewhere to their controls.

    Parameters
    ----------
    stage
        Source of the values.
    table
        The mappings.
    outputs
        The MIDI outputs; a control with a port gets feedback at outputs of that name only.
    delay_s
        Seconds by which values take effect later than their control moves.
    """

    def __init__(self, stage: Stage, table: MappingTable, outputs: Outputs, delay_s: float = 0.0) -> None:
        self._stage, self._table, self._outputs, self._delay_s = stage, table, outputs, delay_s
        self._known_outputs: dict[int, str] = {}
        self._next_update = 0.0  # monotonic
        self._first = 0  # index of the control that is updated first

    def poll(self) -> None:
        """Send feedback if it is due; to be called every few hundredths of a second."""
        now = time.monotonic()
        if now >= self._next_update:
            self._next_update = now + INTERVAL_S
            self._update(now)

    def _update(self, now: float) -> None:
        state = self._outputs.state
        outputs = dict(state.outputs)
        controls = self._table.controls
        if outputs != self._known_outputs:
            self._known_outputs = outputs
            for control in controls:
                control.shown = None
        if not outputs or state.backend == "":
            return
        updates = 0
        for k in range(len(controls)):
            index = (self._first + k) % len(controls)
            updates += self._send(controls[index], outputs, now)
            if updates == MAX_UPDATES:
                self._first = index + 1
                return

    def _send(self, control: MappedControl, outputs: dict[int, str], now: float) -> bool:
        """Send a control the value of its parameter; return whether that was necessary."""
        mapping = control.mapping
        row = self._stage.addresses.get(mapping.target)
        if not mapping.feedback or row is None or row.kind in ("list", "trigger"):
            return False
        if now - control.moved_at < TOUCHED_S + self._delay_s:
            return False
        try:
            value = self._stage.get(mapping.target)
        except GlitchError:  # a model without this parameter was just loaded, or the session is closing
            return False
        if control.shown is not None and abs(value - control.shown) <= TOLERANCE * (row.maximum - row.minimum):
            return False
        control.shown = value
        part = mapping.source.port.casefold()
        ports = [index for index, name in outputs.items() if name == "" or part in name.casefold()]
        for message in messages(mapping.source, to_position(row, value, mapping.range)):
            for port in ports:
                self._outputs.send(message, port)
        return True
