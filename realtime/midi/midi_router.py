"""Routing of MIDI messages to mapped controls, notes, clock, snapshots and panic."""

from __future__ import annotations

import time
from collections.abc import Callable

from realtime.midi.clock import ClockFollower
from realtime.midi.controls.learning import Learning
from realtime.midi.controls.mapped_control import MappedControl
from realtime.midi.controls.mapping_table import MappingTable
from realtime.midi.counts import Counts
from realtime.midi.notes.note_parameters import NoteParameters
from realtime.midi.notes.note_router import NoteRouter
from realtime.midi.parameter_writer import ParameterWriter
from realtime.midi.ports.port_client import Incoming
from realtime.midi.protocol.control_events import ControlEvent, ControlReader, RegisteredParameter
from realtime.midi.protocol.controllers import ALL_SOUND_OFF
from realtime.midi.protocol.messages import Message
from realtime.midi.protocol.parser import Parser
from realtime.params.stage_protocol import Stage
from realtime.params.table import ParameterError

PANIC_INTERVAL_S = 0.25  # senders of all sound off send it on every channel


class MidiRouter:
    """Routes messages in the order of arrival.

    A message of a mapped control plays its mappings only. Others are notes, clock, program changes (snapshots) and all
    sound off (panic).

    Parameters
    ----------
    stage
        Its parameters are set.
    table
        Mapped controls, and settings of notes.
    learning
        Sees all events of controls.
    writer
        Sets the parameters.
    counts
        Counts messages.
    clocks
        Follows MIDI clock.
    recall
        Recalls a snapshot by its number, 0 to 127.
    """

    def __init__(
        self,
        stage: Stage,
        table: MappingTable,
        learning: Learning,
        writer: ParameterWriter,
        counts: Counts,
        clocks: ClockFollower,
        recall: Callable[[int], None] | None = None,
    ) -> None:
        self._stage, self._table, self._learning, self._writer = stage, table, learning, writer
        self._counts, self._clocks, self._recall = counts, clocks, recall
        self._note_parameters = NoteParameters(stage, table.note_settings, writer.set)
        self._notes = NoteRouter(table.note_settings, self._note_parameters.voice_count)
        self._readers: dict[int, tuple[Parser, ControlReader]] = {}
        self._panic_at = 0.0

    def receive(self, incoming: Incoming, port: str) -> None:
        """Route a message. What the stage refuses is counted, and never raised.

        Parameters
        ----------
        incoming
            Bytes of one port, or a note that some were lost; all notes are released then.
        port
            Name of the port.
        """
        parser, reader = self._readers.setdefault(incoming.port, (Parser(), ControlReader()))
        if incoming.lost:
            self._counts.lost += 1
            self._readers.pop(incoming.port)
            self._note_parameters.apply(self._notes.release_all(), incoming.at)
            return
        for message in parser.feed(incoming.data):
            self._counts.messages += 1
            try:
                if message.channel == 0:
                    self._clocks.feed(message, incoming.port, incoming.at)
                else:
                    self._route(message, reader, port, incoming.at)
            except Exception as error:  # from the stage or a callback; the next messages must still be routed
                self._writer.refuse(str(error))

    def _route(self, message: Message, reader: ControlReader, port: str, at: float) -> None:
        mapped = False
        for event in reader.feed(message):
            if isinstance(event, RegisteredParameter):
                self._note_parameters.apply(self._notes.set_registered(event), at)
                continue
            self._learning.feed(event, port, time.time())
            for control in self._table.find(event, port):
                mapped = True
                self._play(control, event, at)
        if mapped:
            return
        if message.type == "program_change" and self._recall is not None:
            self._writer.flush()
            self._recall(message.number)
        elif message.type == "control_change" and message.number == ALL_SOUND_OFF:
            self._panic(at)
        self._note_parameters.apply(self._notes.feed(message), at)

    def _play(self, control: MappedControl, event: ControlEvent, at: float) -> None:
        address = control.mapping.target
        row = self._stage.addresses.get(address)
        if row is None:
            return  # a mapping for another model
        if row.kind == "list":
            raise ParameterError(f"{address} takes several values at once; map one of its parts.")
        if row.kind == "trigger":
            if control.next_value(event, row, 0.0) is not None:
                self._writer.trigger(address, at)
            return
        before = self._writer.value(address)
        value = control.next_value(event, row, before)
        if value is not None:
            self._writer.set(address, value, at)
            control.applied(value, before, time.monotonic())

    def _panic(self, at: float) -> None:
        if abs(at - self._panic_at) >= PANIC_INTERVAL_S:
            self._panic_at = at
            self._writer.flush()
            self._note_parameters.apply(self._notes.release_all(), at)
            self._writer.flush()
            self._stage.set("/panic")
