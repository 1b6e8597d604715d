"""MIDI for a stage: ports, mappings, learning, notes, clock and feedback in one object.

The ports have a process of their own. One thread reads their messages, one applies them in order. All methods may be
called from any thread.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from realtime.ipc.priority import raise_thread_priority
from realtime.midi.clock import Clock, ClockFollower
from realtime.midi.controls.controller_feedback import PANIC, ControllerFeedback
from realtime.midi.controls.learning import Learning
from realtime.midi.controls.mapping import Mapping
from realtime.midi.controls.mapping_table import MappingTable
from realtime.midi.counts import Counts
from realtime.midi.errors import MappingError
from realtime.midi.midi_router import MidiRouter
from realtime.midi.parameter_writer import ParameterWriter
from realtime.midi.ports.port_client import Incoming, Ports, PortState
from realtime.params.stage_protocol import Stage
from realtime.params.table import Parameter, ParameterError

TURN_S = 0.02  # longest wait for messages
CLOSE_S = 2.0
MAX_BACKLOG = 64  # messages that are applied one by one; of more, only the latest value of each parameter
SLICE = 256  # messages that are applied before other threads get the lock


class Midi:
    """Plays a stage from MIDI.

    Parameters
    ----------
    stage
        Its parameters are played.
    mapping
        The mapping file, read at the start and saved when a mapping changes; None to keep mappings in memory.
    inputs, outputs
        Parts of port names, in any case; `"*"` for all. Missing ports are opened when they appear.
    notify
        Takes sentences for the player, from any thread.
    recall
        Recalls a snapshot by its number, 0 to 127, for a program change.
    tempo
        Takes the tempo of MIDI clock in quarter notes per minute.
    transport
        Takes start, stop and song position: whether the song is playing, and the position in quarter notes.
    backend
        `"alsa"`, `"jack"`, `"core"` or `"winmm"`; default: the first that works.
    virtual
        Whether to create ports that other programs can connect to, where the system has such ports.
    delay_ms
        Added to all timestamps. If it exceeds the interface's jitter, gestures keep their exact rhythm.
    client
        Name of glitch-live among the ports.

    Attributes
    ----------
    counts
        Counts of messages.

    Raises
    ------
    MidiError
        There is no such backend.
    """

    def __init__(
        self,
        stage: Stage,
        *,
        mapping: str | os.PathLike[str] | None = None,
        inputs: Sequence[str] = ("*",),
        outputs: Sequence[str] = (),
        notify: Callable[[str], None] = lambda _: None,
        recall: Callable[[int], None] | None = None,
        tempo: Callable[[float], None] | None = None,
        transport: Callable[[bool, float], None] | None = None,
        backend: str | None = None,
        virtual: bool = True,
        delay_ms: float = 0.0,
        client: str = "glitch-live",
    ) -> None:
        delay_s = delay_ms / 1000.0
        self.counts = Counts()
        self._stage, self._client = stage, client
        self._ports = Ports(inputs, outputs, notify, backend=backend, virtual=virtual, client=client)
        self._table = MappingTable(None if mapping is None else Path(mapping), notify)
        self._writer = ParameterWriter(stage, self.counts, notify, delay_s=delay_s)
        self._learning = Learning(self._table, self._writer.value, notify)
        self._clocks = ClockFollower(tempo, transport)
        self._router = MidiRouter(stage, self._table, self._learning, self._writer, self.counts, self._clocks, recall)
        self._feedback = ControllerFeedback(stage, self._table, self._ports, delay_s)
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._worker = threading.Thread(target=self._run, name="midi", daemon=True)

    def start(self) -> None:
        """Open the ports and start playing."""
        self._ports.start()
        self._worker.start()

    def close(self) -> None:
        """Close the ports and save the mapping. May be called twice."""
        self._closing.set()
        self._ports.close()
        if self._worker.is_alive():
            self._worker.join(CLOSE_S)
        self._table.close()

    @property
    def ports(self) -> PortState:
        """Open and available ports."""
        return self._ports.state

    @property
    def restarts(self) -> int:
        """How often the process that owns the ports was restarted."""
        return self._ports.restarts

    @property
    def clock(self) -> Clock:
        """The MIDI clock that is followed."""
        return self._clocks.clock

    @property
    def mappings(self) -> tuple[Mapping, ...]:
        """All mappings, in the order of the file."""
        return self._table.mappings

    @property
    def learning(self) -> str | None:
        """Address of the parameter selected for learning; None if learning is off."""
        return self._learning.address

    @property
    def learned(self) -> Mapping | None:
        """The mapping learned last for the selected parameter."""
        return self._learning.learned

    def learn(self, address: str | None) -> None:
        """Map the next control that moves to a parameter.

        Learning stays on until another address, or None, is given. Meanwhile another control replaces the one that was
        learned, so touching the wrong knob does no harm.

        Parameters
        ----------
        address
            The parameter; None ends learning.

        Raises
        ------
        ParameterError
            There is no such parameter, or it is a list.
        """
        with self._lock:
            self._learning.select(None if address is None else self._row(address))

    def map(self, mapping: Mapping) -> None:
        """Add a mapping, in place of one with the same control and target.

        Parameters
        ----------
        mapping
            The mapping; one whose target the stage doesn't have is kept and inactive.

        Raises
        ------
        MappingError
            The target is a list.
        """
        row = self._stage.addresses.get(mapping.target)
        if row is not None and row.kind == "list":
            raise MappingError(f"{mapping.target} takes several values at once; map one of its parts.")
        with self._lock:
            kept = [one for one in self.mappings if (one.source, one.target) != (mapping.source, mapping.target)]
            self._table.replace([*kept, mapping])

    def unlearn(self, address: str) -> int:
        """Remove all mappings of a parameter.

        Parameters
        ----------
        address
            The parameter.

        Returns
        -------
        int
            Number of mappings removed.
        """
        with self._lock:
            kept = [one for one in self.mappings if one.target != address]
            removed = len(self.mappings) - len(kept)
            if removed:
                self._table.replace(kept)
            return removed

    def panic(self) -> None:
        """Send all sound off and all notes off, on all 16 channels of every output."""
        for message in PANIC:
            self._ports.send(message)

    def receive(self, batch: Sequence[Incoming]) -> None:
        """Apply messages in their order, as those of the ports are.

        Parameters
        ----------
        batch
            Messages with ports and times. Of more than 64, only the latest value of each parameter is set; presses,
            notes and encoder steps all count.
        """
        for first in range(0, len(batch), SLICE):
            with self._lock:
                self._writer.begin(coalesce=len(batch) > MAX_BACKLOG)
                for incoming in batch[first : first + SLICE]:
                    port = self._ports.state.inputs.get(incoming.port) or self._client
                    self._router.receive(incoming, port)
                self._writer.flush()

    def _run(self) -> None:
        raise_thread_priority()
        while not self._closing.is_set():
            self.receive(self._ports.get(TURN_S))
            with self._lock:
                self._learning.poll(time.time())
                self._feedback.poll()

    def _row(self, address: str) -> Parameter:
        row = self._stage.addresses.get(address)
        if row is None:
            raise ParameterError(f"There is no parameter {address} to learn.")
        if row.kind == "list":
            raise ParameterError(f"{address} takes several values at once; learn one of its parts.")
        return row
