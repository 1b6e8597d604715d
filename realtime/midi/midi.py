"""MIDI on the stage: what comes in plays the parameters by the mapping, and what they do goes back to the controller.

One thread fetches, one applies, in order. What the player asks for (learn, map, unlearn) may come from any thread.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from export.errors import GlitchError
from realtime.ipc.priority import raise_thread_priority
from realtime.midi.clock import Clock
from realtime.midi.controls import feedback
from realtime.midi.controls.control_detector import Learner
from realtime.midi.controls.mapped_control import Control
from realtime.midi.controls.mapping import Mapping, MappingError, MappingFile, read, write
from realtime.midi.curves import to_loudness, to_position, to_value
from realtime.midi.notes.monophonic import ALL_SOUND_OFF, Action, Notes, Role
from realtime.midi.ports.client import Incoming, Ports, PortState
from realtime.midi.protocol.control_events import ANY, Change, Combiner, Registered
from realtime.midi.protocol.parser import Message, Parser
from realtime.params.surface import Stage
from realtime.params.table import Parameter, ParameterError

TURN_S = 0.02
FEEDBACK_S = 0.04
FEEDBACK_AT_ONCE = 64  # controls told in one go
TOUCHED_S = 0.15  # a control that has just been moved isn't told anything
BEHIND = 64  # messages that wait, from which on only a parameter's last value counts
SLICE = 256  # messages between two chances for other threads
PANIC_AGAIN_S = 0.25  # senders panic on every channel
CLOCK_LEFT_S = 2.0

Notify = Callable[[str], None]


@dataclass
class Counts:
    """What has come in since the start.

    Attributes
    ----------
    messages
        Messages in, clock included.
    lost
        How often a port's queue had overrun, or the system had gone.
    coalesced
        Values that were overtaken by later ones of the same parameter while there was more than could be applied.
    refused, last_refused
        What the stage would not take, and why.
    """

    messages: int = 0
    lost: int = 0
    coalesced: int = 0
    refused: int = 0
    last_refused: str = ""


class Midi:
    """Plays a stage from MIDI.

    Parameters
    ----------
    stage
        Whose parameters are played.
    mapping
        The mapping file; it is read at the start and written when a mapping is learned. None keeps it in memory.
    inputs, outputs
        Parts of port names; `"*"` is every port. What isn't there is said, waited for, and opened when it comes.
    notify
        Takes sentences for the player, from any thread.
    recall
        Takes the number of a snapshot, 0 to 127, from a program change.
    tempo
        Takes quarters a minute, from the clock.
    transport
        Takes whether the clock's sender plays, and the place in quarters.
    backend
        `"alsa"`, `"jack"`, `"core"`, `"winmm"`; None takes the first that works.
    virtual
        Whether to offer a port of our own to other programs.
    delay_ms
        Added to every time stamp: with more than the interface's jitter, gestures keep their exact rhythm, later.
    client
        Our name among the ports.

    Raises
    ------
    MidiError
        No such backend.
    """

    def __init__(
        self,
        stage: Stage,
        *,
        mapping: str | os.PathLike[str] | None = None,
        inputs: Sequence[str] = ("*",),
        outputs: Sequence[str] = (),
        notify: Notify = lambda _: None,
        recall: Callable[[int], None] | None = None,
        tempo: Callable[[float], None] | None = None,
        transport: Callable[[bool, float], None] | None = None,
        backend: str | None = None,
        virtual: bool = True,
        delay_ms: float = 0.0,
        client: str = "glitch-live",
    ) -> None:
        self.counts = Counts()
        self.clock = Clock()
        self._stage, self._notify, self._client = stage, notify, client
        self._recall, self._tempo, self._transport = recall, tempo, transport
        self._delay_s = delay_ms / 1000.0
        self._ports = Ports(inputs, outputs, notify, backend=backend, virtual=virtual, client=client)
        self._path = None if mapping is None else Path(mapping)
        self._unreadable = False
        self._lock = threading.RLock()
        self._writing = threading.Lock()
        self._writer: threading.Thread | None = None
        self._learner: Learner | None = None
        self._learned: Mapping | None = None
        self._readers: dict[int, tuple[Parser, Combiner]] = {}
        self._pending: dict[str, tuple[float, float]] | None = None  # address: value, time; None while not behind
        self._clock_port, self._clock_at = -1, 0.0
        self._panicked_at = 0.0
        self._told_outputs: dict[int, str] = {}
        self._next_feedback = 0.0
        self._feedback_from = 0
        self._refused: set[str] = set()
        self._closing = threading.Event()
        self._worker = threading.Thread(target=self._run, name="midi", daemon=True)
        self._file = self._read()
        self._notes = Notes(self._file.notes, self._voices_of)
        self._controls: dict[Mapping, Control] = {}
        self._by_key: dict[tuple[str, int], list[Control]] = {}
        self._use(self._file)

    def start(self) -> None:
        """Open the ports and play."""
        self._ports.start()
        self._worker.start()

    def close(self) -> None:
        """Close the ports and keep the mapping. May be called twice."""
        self._closing.set()
        self._ports.close()
        for thread in (self._worker, self._writer):
            if thread is not None and thread.is_alive():
                thread.join(2.0)

    @property
    def ports(self) -> PortState:
        """What is open, and what could be."""
        return self._ports.state

    @property
    def restarts(self) -> int:
        """How often the process that owns the ports had to be started again."""
        return self._ports.restarts

    @property
    def mappings(self) -> tuple[Mapping, ...]:
        """Every mapping, in the file's order."""
        return self._file.mappings

    @property
    def learning(self) -> str | None:
        """The address that waits for a control."""
        learner = self._learner
        return None if learner is None else learner.row.address

    @property
    def learned(self) -> Mapping | None:
        """What this round of learning has found so far."""
        return self._learned

    def learn(self, address: str | None) -> None:
        """Give a parameter the control that is moved next; stays armed until another address, or None, is given.

        While armed, a further control replaces the one that was learned, so a knob touched by mistake does no harm.

        Raises
        ------
        ParameterError
            There is no such parameter, or it is a list.
        """
        with self._lock:
            self._learner = None if address is None else Learner(self._row(address))
            self._learned = None

    def map(self, mapping: Mapping) -> None:
        """Add a mapping, in the place of one of the same control and target."""
        row = self._stage.addresses.get(mapping.target)
        if row is not None and row.kind == "list":
            raise MappingError(f"{mapping.target} takes several values at once; map one of its parts.")
        with self._lock:
            kept = [one for one in self.mappings if (one.source, one.target) != (mapping.source, mapping.target)]
            self._change([*kept, mapping])

    def unlearn(self, address: str) -> int:
        """Take every control away from a parameter; give how many there were."""
        with self._lock:
            kept = [one for one in self.mappings if one.target != address]
            gone = len(self.mappings) - len(kept)
            if gone:
                self._change(kept)
            return gone

    def ghosts(self) -> dict[str, float]:
        """Where the controls stand that haven't picked up their parameter, by address, in its unit."""
        rows = self._stage.addresses
        found = {}
        for control in list(self._controls.values()):
            row = rows.get(control.mapping.target)
            if row is not None and row.kind not in ("list", "trigger"):
                ghost = control.ghost(row, self._stage.get(row.address))
                if ghost is not None:
                    found[row.address] = ghost
        return found

    def panic(self) -> None:
        """Tell everybody who listens to be silent: all sound off and all notes off, on 16 channels."""
        for message in feedback.PANIC:
            self._ports.send(message)

    def receive(self, batch: Sequence[Incoming]) -> None:
        """Apply messages in their order; what the worker does with what comes from the ports."""
        for first in range(0, len(batch), SLICE):
            with self._lock:
                self._pending = {} if len(batch) > BEHIND else None
                for one in batch[first : first + SLICE]:
                    self._receive(one)
                self._flush()

    def _run(self) -> None:
        raise_thread_priority()
        while not self._closing.is_set():
            self.receive(self._ports.get(TURN_S))
            with self._lock:
                if self._learner is not None:
                    self._found(self._learner.due(time.time()))
                if time.monotonic() >= self._next_feedback:
                    self._next_feedback = time.monotonic() + FEEDBACK_S
                    self._feed_back()

    def _receive(self, one: Incoming) -> None:
        parser, combiner = self._readers.setdefault(one.port, (Parser(), Combiner()))
        if one.lost:
            self.counts.lost += 1
            self._readers.pop(one.port)
            self._act(self._notes.all_off(), one.at)  # the ends of notes may be among what is missing
            return
        port = self._ports.state.inputs.get(one.port) or self._client
        for message in parser.feed(one.data):
            self.counts.messages += 1
            try:
                self._apply(message, combiner, one.port, port, one.at)
            except Exception as error:  # a callback's, or the stage's; the next message is another
                self._refuse(str(error))

    def _apply(self, message: Message, combiner: Combiner, index: int, port: str, at: float) -> None:
        if message.channel == 0:
            self._time(message, index, at)
            return
        taken = False
        for change in combiner.feed(message):
            if isinstance(change, Registered):
                self._act(self._notes.registered(change), at)
                continue
            if self._learner is not None:
                self._found(self._learner.feed(change, port, time.time()))
            for control in self._of(change, port):
                taken = True
                self._play(control, change, at)
        if taken:
            return
        if message.kind == "program" and self._recall is not None:
            self._flush()
            self._recall(message.number)
        elif message.kind == "cc" and message.number == ALL_SOUND_OFF:
            self._panic_in(at)
        self._act(self._notes.feed(message), at)

    def _of(self, change: Change, port: str) -> list[Control]:
        """The controls that a change is of."""
        found = self._by_key.get((change.type, change.number), [])
        if change.type == "program":
            found = found + self._by_key.get(("program", ANY), [])
        return [control for control in found if control.mapping.source.fits(change, port)]

    def _play(self, control: Control, change: Change, at: float) -> None:
        address = control.mapping.target
        row = self._stage.addresses.get(address)
        if row is None:
            return  # a mapping for another model
        if row.kind == "list":
            raise ParameterError(f"{address} takes several values at once; no control can.")
        if row.kind == "trigger":
            if control.play(change, row, 0.0) is not None:
                self._flush()
                self._stage.set(address, at=at + self._delay_s)
            return
        before = self._value(address)
        value = control.play(change, row, before)
        if value is not None:
            self._set(address, value, at)
            control.done(value, before, time.monotonic())

    def _time(self, message: Message, index: int, at: float) -> None:
        """Follow the clock of one port, until it falls silent and another's is there."""
        if index != self._clock_port and at - self._clock_at < CLOCK_LEFT_S:
            return
        if index != self._clock_port:
            self._clock_port = index
            self.clock = Clock()
        self._clock_at = at
        if message.kind == "clock":
            bpm = self.clock.tick(at)
            if bpm is not None and self._tempo is not None:
                self._tempo(bpm)
            return
        if message.kind == "song_position":
            self.clock.transport("position", message.value)
        elif message.kind in ("start", "continue", "stop"):
            self.clock.transport(message.kind)
        if self._transport is not None:
            self._transport(self.clock.running, self.clock.quarters)

    def _act(self, actions: Sequence[Action], at: float) -> None:
        """Let a voice play its addresses, so far as the stage has them."""
        rows = self._stage.addresses
        for action in actions:
            row = rows.get(self._address(action.role, action.channel, action.voice))
            if row is not None and row.kind not in ("list", "trigger"):
                way = {"pitch": lambda row, value: row.clip(value), "loudness": to_loudness}.get(action.role, to_value)
                self._set(row.address, way(row, action.value), at)
            elif action.role == "gate" and action.value == 0.0:  # without a gate, a note ends by its loudness
                quiet = rows.get(self._address("loudness", action.channel, action.voice))
                if quiet is not None:
                    self._set(quiet.address, to_value(quiet, 0.0), at)

    def _address(self, role: Role, channel: int, voice: int) -> str:
        """Say where a voice of a channel plays; empty for nowhere."""
        address: str = getattr(self._notes.settings, role)
        letter = self._notes.settings.decks.get(str(channel))
        end = f"/{voice}" if voice > 1 else ""
        return f"/{letter}{address}{end}" if letter and address else f"{address}{end}" if address else ""

    def _voices_of(self, channel: int) -> int:
        """Count the voices that the model of a channel has: those of the pitch."""
        rows, count = self._stage.addresses, 1
        while self._address("pitch", channel, count + 1) in rows:
            count += 1
        return count

    def _panic_in(self, at: float) -> None:
        if abs(at - self._panicked_at) >= PANIC_AGAIN_S:
            self._panicked_at = at
            self._flush()
            self._act(self._notes.all_off(), at)
            self._flush()
            self._stage.set("/panic")

    def _value(self, address: str) -> float:
        if self._pending and address in self._pending:
            return self._pending[address][0]
        return self._stage.get(address)

    def _set(self, address: str, value: float, at: float) -> None:
        at += self._delay_s
        if self._pending is None:
            self._stage.set(address, value, at=at)
            return
        if self._pending.pop(address, None) is not None:
            self.counts.coalesced += 1
        self._pending[address] = (value, at)

    def _flush(self) -> None:
        pending = self._pending
        if not pending:
            return
        self._pending = {}
        for address, (value, at) in pending.items():
            try:
                self._stage.set(address, value, at=at)
            except Exception as error:  # one address that the stage doesn't take, must not keep the others
                self._refuse(str(error))

    def _refuse(self, why: str) -> None:
        self.counts.refused += 1
        self.counts.last_refused = why[:160]
        if why not in self._refused and len(self._refused) < 100:
            self._refused.add(why)
            self._notify(f"MIDI: {why}")

    def _row(self, address: str) -> Parameter:
        row = self._stage.addresses.get(address)
        if row is None:
            raise ParameterError(f"There is no parameter {address} to learn.")
        if row.kind == "list":
            raise ParameterError(f"{address} takes several values at once; learn one of its parts.")
        return row

    def _found(self, mapping: Mapping | None) -> None:
        """Keep what was learned: the control plays this and nothing else, in the place of an earlier find."""
        if mapping is None or self._learner is None:
            return
        self._learner.forget()
        if self._learned is not None and self._learned.source == mapping.source:
            return
        kept = [one for one in self.mappings if one.source != mapping.source and one != self._learned]
        self._learned = mapping
        self._change([*kept, mapping])
        for position in self._learner.way if mapping.mode == "absolute" else ():
            here = to_position(self._learner.row, self._value(mapping.target), mapping.range)
            self._controls[mapping].pickup.moved(position, here)
        self._notify(f"{mapping.source.label} plays {mapping.target}.")

    def _change(self, mappings: Sequence[Mapping]) -> None:
        self._use(self._file.with_mappings(mappings))
        if self._path is not None:
            self._writer = threading.Thread(target=self._write, name="midi-mapping")
            self._writer.start()

    def _use(self, file: MappingFile) -> None:
        """Play by a mapping file; controls that stay keep their state."""
        self._file = file
        self._controls = {one: self._controls.get(one) or Control(one) for one in file.mappings}
        self._by_key = {}
        for one, control in self._controls.items():
            self._by_key.setdefault(one.source.key, []).append(control)

    def _read(self) -> MappingFile:
        if self._path is None:
            return MappingFile()
        try:
            file = read(self._path)
        except MappingError as error:
            self._unreadable = True
            self._notify(str(error))
            return MappingFile()
        for problem in file.problems:
            self._notify(problem)
        return file

    def _write(self) -> None:
        assert self._path is not None
        with self._writing:
            try:
                if self._unreadable:  # somebody's work may be in it
                    with contextlib.suppress(FileNotFoundError):
                        self._path.replace(self._path.with_name(f"{self._path.name}.unreadable"))
                    self._unreadable = False
                write(self._path, self._file)
            except (MappingError, OSError) as error:
                self._notify(str(error))

    def _feed_back(self) -> None:
        """Tell the controls whose parameter moved otherwise."""
        outputs = dict(self._ports.state.outputs)
        if outputs != self._told_outputs:
            self._told_outputs = outputs
            for control in self._controls.values():
                control.known = None
        if not outputs or self._ports.state.backend == "":
            return
        controls = list(self._controls.values())
        budget, now = FEEDBACK_AT_ONCE, time.monotonic()
        for k in range(len(controls)):
            index = (self._feedback_from + k) % len(controls)
            if self._tell(controls[index], outputs, now):
                budget -= 1
            if budget == 0:
                self._feedback_from = index + 1
                return

    def _tell(self, control: Control, outputs: dict[int, str], now: float) -> bool:
        mapping = control.mapping
        row = self._stage.addresses.get(mapping.target)
        if not mapping.feedback or row is None or row.kind in ("list", "trigger"):
            return False
        if now - control.moved_at < TOUCHED_S + self._delay_s:
            return False
        try:
            value = self._stage.get(mapping.target)
        except GlitchError:  # a model without it took over just now, or the session closes
            return False
        if control.known is not None and abs(value - control.known) <= 1e-6 * (row.maximum - row.minimum):
            return False
        control.known = value
        part = mapping.source.port.casefold()
        ports = [index for index, name in outputs.items() if name == "" or part in name.casefold()]
        for message in feedback.message(mapping.source, to_position(row, value, mapping.range)):
            for port in ports:
                self._ports.send(message, port)
        return True
