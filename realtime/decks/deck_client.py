"""The host's side of a deck: starts its process, sends it requests and events, and ends it."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from export.errors import GlitchError
from export.format.card import Card
from realtime.ipc import rings
from realtime.ipc.child_process import ChildError, ChildProcess
from realtime.ipc.memory_layout import CAPTURE, DONE, EVENT, RING, Geometry
from realtime.ipc.segment_registry import SegmentRegistry
from realtime.ipc.segments import Segment

if TYPE_CHECKING:
    from realtime.effects.chain import Effect

REQUEST_TIMEOUT_S = 60.0


class DeckError(GlitchError):
    """A deck could not be started, or has died."""


class DeckClient:
    """A deck process and its segment.

    Parameters
    ----------
    model
        Path of the model file.
    card
        Its card.
    registry
        Where the deck's segment is listed.
    sample_rate
        Of the stream, in Hz.
    stream
        Name of the stream segment, which holds the live input.
    inputs
        Channels of the live input.
    seed
        Of everything random in the deck.
    effects
        The chain of effects after the decoder.
    number
        Of the deck, unique in the session.
    child
        A process from `start_deck_process` that waits for its first request; None starts one.

    Attributes
    ----------
    segment : Segment
        Of the deck.
    state : np.void
        The deck's entry in its segment: counters, telemetry, look-ahead. A copy once the deck is closed.
    order : dict
        The request that the deck is loaded with.
    initial_values : dict[int, float]
        The values that the deck began with, by parameter index.
    known_states : set[int]
        Numbers of the states that the deck can restore.
    problems_reported : int
        Problems of effects that the performer has been notified of.
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        card: Card,
        registry: SegmentRegistry,
        *,
        sample_rate: float,
        stream: str,
        inputs: int = 0,
        seed: int = 0,
        effects: Sequence[Effect] = (),
        number: int = 0,
        child: ChildProcess | None = None,
    ) -> None:
        method = card.method(card.live_method)
        hop = math.ceil(method.hop * sample_rate / card.sample_rate)
        capacity = max(RING, 1 << (8 * hop - 1).bit_length())
        self.segment = Segment.create(Geometry("deck", method.channels, capacity), registry)
        self.state = self.segment["deck"][0]
        self.state["hop"], self.state["number"] = hop, number
        self.number, self.problems_reported = number, 0
        self.initial_values: dict[int, float] = {}
        self.known_states: set[int] = set()
        self._lock = threading.Lock()
        self._child = child or start_deck_process()
        self.order = {
            "segment": self.segment.name,
            "stream": stream,
            "model": os.fspath(model),
            "sample_rate": sample_rate,
            "seed": seed,
            "inputs": inputs,
            "effects": [effect.to_json() for effect in effects],
        }

    @property
    def pid(self) -> int:
        """Process id."""
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._child.alive

    def load(self) -> None:
        """Load the model; the deck doesn't play yet.

        Raises
        ------
        DeckError
            The model cannot be played, with the reason; or the deck died, or took too long.
        """
        self._ask(**self.order)

    def play(
        self,
        values: Sequence[tuple[int, float]] = (),
        states: Sequence[tuple[int, str]] = (),
        state: int | None = None,
    ) -> None:
        """Let a loaded deck play, and wait until its ring is filled up to the look-ahead.

        Parameters
        ----------
        values
            Initial values, as pairs of parameter index and value.
        states
            States that the deck may be asked to restore, as pairs of number and file.
        state
            Number of the state to continue from; None begins at rest.
        """
        self.initial_values, self.known_states = dict(values), {number for number, _ in states}
        self._ask(values=list(values), states=list(states), state=state)
        self.send_all(())  # compiles it before it is needed

    def send(self, parameter: int, value: float, sample: int = 0) -> None:
        """Send an event.

        Parameters
        ----------
        parameter
            Index of the parameter, or one of `CAPTURE`, `RESTORE`, `RAMP`.
        value
            Its new value.
        sample
            Position on the clock; 0, or one that is over, acts before the next frame.
        """
        self.send_all([(parameter, value)], sample)

    def send_all(self, events: Iterable[tuple[int, float]], sample: int = 0) -> None:
        """Send events, pairs of parameter and value, that are applied together before one frame."""
        batch = np.array([(sample, parameter, value) for parameter, value in events], EVENT)
        with self._lock:
            ring = self.segment.arrays.get("events")
            if ring is not None and not rings.push_events(self.segment["event_index"], ring, batch):
                self.state["lost_events"] += len(batch)

    def capture(self, number: int) -> None:
        """Let the deck capture its state before its next frame, under a number."""
        self.known_states.add(number)
        self.send(CAPTURE, number)

    def save_state(self, number: int, path: Path) -> None:
        """Write a captured state to a file.

        Raises
        ------
        DeckError
            The state was not captured, or could not be written.
        """
        self._ask(save_state=number, path=str(path))

    def load_state(self, number: int, path: Path) -> None:
        """Let the deck read a state from a file, to be restored later by its number.

        Raises
        ------
        DeckError
            The file holds no state of this model.
        """
        self._ask(load_state=number, path=str(path))
        self.known_states.add(number)

    def applied_events(self) -> np.ndarray:
        """Take the events that the deck has applied since the last call [shape=(events,), dtype=DONE]."""
        with self._lock:
            log = self.segment.arrays.get("done")
            if log is None:
                return np.zeros(0, DONE)
            into = np.zeros(rings.fill(self.segment["done_index"]), DONE)
            return into[: rings.pop_events(self.segment["done_index"], log, into)]

    def _ask(self, **message: Any) -> None:
        try:
            answer = self._child.ask(REQUEST_TIMEOUT_S, **message)
        except ChildError as error:
            raise DeckError(str(error)) from None
        if "failed" in answer:
            raise DeckError(answer["failed"])

    def close(self) -> None:
        """End the process and remove its segment, which must be unplugged from the mixer by now."""
        self.state["stop"] = 1
        self._child.close()
        with self._lock:
            self.state = self.state.copy()  # so that its last values can still be read
            self.segment.close()

    def __enter__(self) -> DeckClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def start_deck_process() -> ChildProcess:
    """Start a deck's process, which waits for its first request."""
    return ChildProcess("realtime.decks.deck_process", "The deck")


def wait_for(condition: Callable[[], object], timeout_s: float, interval_s: float = 0.002) -> bool:
    """Wait until `condition()` is true, for at most `timeout_s` seconds; return whether it was."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(interval_s)
    return True
