"""A session on a virtual clock: host, decks and callback in one process, block by block, without sleeping.

The session, its decks and the compiled callback are the real ones, on real shared memory. Only the child processes are
replaced: a deck decodes between two blocks for a time that the test sets, and the device asks for a block whenever
the test lets time pass. Underruns, look-ahead and latency are then numbers that follow from the test alone.

    with virtual(model) as stage:
        stage.session.set("/latent/1", 2.0)
        audio = stage.play(0.5)
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pytest

from export.errors import GlitchError
from realtime import Session
from realtime.audio import device_client, device_watchdog
from realtime.audio.deck_mixer import DeckMixer
from realtime.decks import deck, deck_client, deck_loader, deck_supervisor, lookahead
from realtime.decks.deck_process import load_engine, prepare_deck, read_state
from realtime.ipc import rings, sample_clock
from realtime.ipc.child_process import ChildError
from realtime.ipc.segments import Segment
from realtime.session import startup
from realtime.session.config import SessionOptions
from realtime.session.controls import panic
from realtime.session.supervision.task_thread import TaskThread
from tests.eventually import PATIENCE_S, became
from tests.realtime.sessions import input_between, output_between

BLOCK = 128
STILL = {"/walk/radius": 0.0, "/smoothing": 0.0}  # makes latents jump, and otherwise stay where they are
EPOCH = 1.7e9  # unix time of the clock's first sample
TENDED_EVERY_S = 0.02


class VirtualTime:
    """Takes the place of the module `time` in whatever plays."""

    def __init__(self) -> None:
        self.now = 0.0  # seconds since the clock's first sample

    def monotonic(self) -> float:
        return 1000.0 + self.now

    perf_counter = monotonic

    def time(self) -> float:
        return EPOCH + self.now

    def sleep(self, _seconds: float) -> None:
        raise AssertionError("nothing may sleep on a virtual clock")


class VirtualDeck:
    """A deck's child process, played in this one.

    Attributes
    ----------
    cost_ms : float
        What decoding a frame takes.
    """

    def __init__(self, stage: VirtualStage, pid: int) -> None:
        self._stage, self.pid, self.alive = stage, pid, True
        self.cost_ms = stage.cost_ms
        self._free_at = 0.0  # the sample from which it can begin a frame
        self._making: tuple[float, np.ndarray] | None = None  # when the frame is ready, and its audio

    def ask(self, _timeout_s: float, **order: Any) -> dict[str, Any]:
        """Do what the deck process does with an order."""
        if not self.alive:
            raise ChildError("The deck ended unexpectedly.")
        try:
            if "segment" in order:
                self._load(order)
            elif "values" in order:
                self._begin(order)
            elif "load_state" in order:
                self._deck.engine.states[order["load_state"]] = read_state(order["path"])
            else:
                self._stage.until(lambda: order["save_state"] in self._deck.engine.states)
                Path(order["path"]).write_bytes(self._deck.engine.states[order["save_state"]].to_bytes())
        except GlitchError as error:
            raise ChildError(str(error)) from None
        return {"done": True}

    def _load(self, order: dict[str, Any]) -> None:
        try:
            self._segments = Segment.attach(order["segment"]), Segment.attach(order["stream"])
            self._engine = load_engine(order)
        finally:
            self._stage.loading.set()

    def _begin(self, order: dict[str, Any]) -> None:
        assert self._stage.opened.wait(PATIENCE_S)  # so that every session begins in the same block
        self._deck, states = prepare_deck(self._engine, order, *self._segments)
        for number, path in states.items():
            with contextlib.suppress(GlitchError, OSError):
                self._engine.states[number] = read_state(path)
        with self._stage.lock:
            while rings.fill(self._deck.segment["ring_index"]) < self._deck.state["lookahead"]:
                self._deck.step()
            self._deck.state["fill"] = self._deck.state["lookahead"]
            self._deck.state["decode_ms"] = self._deck.state["worst_ms"] = self.cost_ms
            self._deck.state["ready"] = 1
            self._free_at = self._stage.clock
            self._stage.decks.append(self)

    def stall(self, samples: float) -> None:
        """Let it do nothing for this long, as where the machine is busy elsewhere."""
        if self._making is not None:
            self._making = self._making[0] + samples, self._making[1]
        self._free_at = max(self._free_at, self._stage.clock) + samples

    def decode(self, until: float) -> None:
        """Decode as far ahead as it may, in the time before a sample of the clock."""
        made, cost = self._deck, self.cost_ms * self._stage.rate / 1000.0
        while not made.state["stop"]:
            if self._making is not None:
                ready_at, audio = self._making
                if ready_at > until:
                    return
                self._stage.time.now = ready_at / self._stage.rate
                made.push(audio)
                self._making, self._free_at = None, ready_at
            if self._free_at > until:
                return
            if rings.fill(made.segment["ring_index"]) >= made.state["lookahead"]:
                self._free_at = until
                return
            self._stage.time.now = self._free_at / self._stage.rate
            self._making = self._free_at + cost, made.decode()

    def kill(self) -> None:
        """End at once."""
        with self._stage.lock:
            self.alive = False
            if self in self._stage.decks:
                self._stage.decks.remove(self)

    def close(self) -> None:
        """End, and give the memory back."""
        self.kill()
        if hasattr(self, "_segments"):
            for segment in self._segments:
                segment.close()


class VirtualDevice:
    """The device's child process, in this one."""

    pid, alive = 0, True

    def __init__(self, stage: VirtualStage) -> None:
        self._stage = stage
        self._plugged: dict[int, Segment] = {}

    def ask(self, _timeout_s: float, **order: Any) -> dict[str, Any]:
        """Do what the device process does with an order."""
        stage = self._stage
        if "wanted" in order:
            stage.rate = float(order["rate"] or order["model_rate"])
            self._channels = max(order["model_channels"], 2)
            self._inputs = len(stage.given) if order["input"] is not None else 0
            return {
                "device": "virtual",
                "why": "",
                "rate": stage.rate,
                "channels": self._channels,
                "input": "virtual" if self._inputs else "",
                "inputs": self._inputs,
            }
        if "segment" in order:
            assert stage.loading.wait(PATIENCE_S)  # so that the first deck never knows the block when it is loaded
            self._segment = Segment.attach(order["segment"])
            self._segment["stream"][0]["largest_block"] = 0
            stage.block = order["block"] or BLOCK
            stage.mixer = DeckMixer(self._segment, stage.rate, self._channels, inputs=self._inputs)
            return {"latency_s": 0.0, "input_latency_s": 0.0}
        with stage.lock:
            if "plug" in order:
                plugged = self._plugged[order["plug"]] = Segment.attach(order["deck"])
                stage.mixer.plug(order["plug"], plugged, gain=order["gain"], ramp_ms=order["ramp_ms"])
            else:
                stage.mixer.unplug(order["unplug"])
                stage.next_block()
                self._plugged.pop(order["unplug"]).close()
        return {"done": True}

    def close(self) -> None:
        """Give the memory back."""
        for plugged in self._plugged.values():
            plugged.close()
        if hasattr(self, "_segment"):
            self._segment.close()

    kill = close


class VirtualStage:
    """The stage of a session whose time passes only when the test, or the session itself, waits.

    Parameters
    ----------
    given : np.ndarray [shape=(inputs, samples)]
        The live input, repeated without end.
    cost_ms
        What decoding a frame takes, for decks to come.

    Attributes
    ----------
    clock : int
        Samples played so far.
    block : int
        Samples the device asks for at a time; may be changed.
    """

    session: Session
    mixer: DeckMixer

    def __init__(self, given: np.ndarray | None = None, *, cost_ms: float = 0.0) -> None:
        self.cost_ms = cost_ms
        self.given = np.zeros((0, 1), np.float32) if given is None else given.astype(np.float32)
        self.time = VirtualTime()
        self.decks: list[VirtualDeck] = []
        self.rate, self.block, self.clock = 48_000.0, BLOCK, 0
        self.lock = threading.RLock()
        self.loading, self.opened = threading.Event(), threading.Event()
        self._pids = itertools.count(1)
        self._tended = 0.0

    def child(self, module: str, _name: str) -> VirtualDeck | VirtualDevice:
        """Take the place of `ChildProcess`."""
        return VirtualDevice(self) if "device" in module else VirtualDeck(self, next(self._pids))

    def deck(self, letter: str = "a") -> VirtualDeck:
        """The child process of a deck that plays."""
        process = self.session.parts.rack.players[letter].process
        assert process is not None
        return next(one for one in self.decks if one.pid == process.pid)

    def next_block(self) -> np.ndarray:
        """Let the device ask for a block [shape=(block, channels)]."""
        with self.lock:
            for one in list(self.decks):
                one.decode(self.clock)
            self.time.now = self.clock / self.rate
            channels = int(self.mixer.segment["stream"][0]["channels"])
            out = np.zeros(self.block * channels, np.float32)
            at = np.arange(self.clock, self.clock + self.block) % self.given.shape[1]
            inputs = int(self.mixer.segment["stream"][0]["inputs"])
            self.mixer.process(out, self.block, np.ascontiguousarray(self.given[:inputs, at].T).reshape(-1))
            self.clock += self.block
            self.time.now = self.clock / self.rate
            if self.mixer.segment["stream"][0]["callbacks"] > 1:
                self.opened.set()
            if hasattr(self, "session") and self.time.now - self._tended >= TENDED_EVERY_S:
                self._tended = self.time.now
                self.session.parts.supervisor.tend()
            return out.reshape(self.block, channels)

    def play(self, seconds: float) -> np.ndarray:
        """Let time pass; give what the device was given, whole blocks of it [shape=(samples, channels)]."""
        end = self.clock + seconds * self.rate
        blocks = []
        while self.clock < end:
            blocks.append(self.next_block())
        return np.concatenate(blocks)

    def until(self, condition: Callable[[], object], seconds: float = 10.0) -> None:
        """Let time pass until a condition holds; fail if it doesn't within these virtual seconds.

        A thread that has work to do, such as loading a model, is given real time for it before that.
        """
        assert self.wait_for(condition, seconds), f"the condition did not hold within {seconds:g} s of virtual time"

    def wait_for(self, condition: Callable[[], object], timeout_s: float, _interval_s: float = 0.0) -> bool:
        """Take the place of `wait_for`."""
        end = self.clock + timeout_s * self.rate
        while not condition():
            if self.clock >= end:
                return became(lambda: (self.next_block(), condition())[1])
            self.next_block()
        return True


@contextlib.contextmanager
def virtual(
    model: Path, *, given: np.ndarray | None = None, cost_ms: float = 0.0, **settings: Unpack[SessionOptions]
) -> Iterator[VirtualStage]:
    """Play a session on a virtual clock; `settings` are those of `Session`, `given` and `cost_ms` the stage's."""
    stage = VirtualStage(given, cost_ms=cost_ms)
    if given is not None:
        settings.setdefault("input_device", "")
        settings.setdefault("inputs", list(range(1, len(given) + 1)))
    with pytest.MonkeyPatch.context() as patch:
        for module in (lookahead, panic, deck, deck_loader, deck_supervisor, sample_clock, device_watchdog):
            patch.setattr(module, "time", stage.time)
        for spawner in (deck_client, device_client):
            patch.setattr(spawner, "ChildProcess", stage.child)
        for waiting in (deck_loader, startup):
            patch.setattr(waiting, "wait_for", stage.wait_for)
        patch.setattr(TaskThread, "start", lambda _supervisor: None)
        with Session(model, **settings) as played:
            stage.session = played
            yield stage


@contextlib.contextmanager
def still(model: Path, *, cost_ms: float = 0.0, **settings: Unpack[SessionOptions]) -> Iterator[VirtualStage]:
    """Play a session on a virtual clock without walk and smoothing, so that only the test makes sound."""
    with virtual(model, cost_ms=cost_ms, **settings) as stage:
        for address, value in STILL.items():
            stage.session.set(address, value)
        yield stage


@contextlib.contextmanager
def listening(
    model: Path, given: np.ndarray, *, ahead: int = 2048, settings: SessionOptions | None = None, **knobs: float
) -> Iterator[VirtualStage]:
    """Play a session on a virtual clock with a sound as live input; `knobs` are those of `/input`."""
    with virtual(model, given=given, **(settings or {})) as stage:
        still = STILL if stage.session.card.live_method == "decode" else {}
        asked = {"/ahead": float(ahead), "/ahead/lock": 1.0}
        for address, value in (asked | still | {f"/input/{name}": value for name, value in knobs.items()}).items():
            stage.session.set(address, value)
        stage.play(0.5)
        yield stage


def in_and_out(stage: VirtualStage, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """Let time pass; give what came in and what was played, without an underrun or a jump of the input."""
    session, begin = stage.session, stage.clock
    before = session.status().underruns, int(session.deck.state["input_jumps"])
    stage.play(seconds)
    assert (session.status().underruns, int(session.deck.state["input_jumps"])) == before
    return input_between(session, begin, stage.clock), output_between(session, begin, stage.clock)
