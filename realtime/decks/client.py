"""The host's side of a deck: starts the process, hears what it says, sends it events, ends it."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from export.errors import GlitchError
from export.format.card import Card
from realtime.ipc import rings
from realtime.ipc.child import Child, ChildError
from realtime.ipc.layout import CAPTURE, DONE, EVENT, RING, Geometry
from realtime.ipc.registry import Registry
from realtime.ipc.segments import Segment

if TYPE_CHECKING:
    from realtime.effects.chain import Effect

START_TIMEOUT_S = 60.0


class DeckError(GlitchError):
    """A deck could not be started, or has died."""


class DeckProcess:
    """A deck process and its segment.

    Parameters
    ----------
    model
        Path of the model file, and `card`, what it says of itself.
    sample_rate
        Of the stream.
    seed
        Of everything random in the deck.
    stream
        Name of the stream segment, for its live input of `inputs` channels.
    effects
        What the sound goes through.
    number
        Counts the decks of a session.
    child
        A process from `start_deck_process` that waits for its order; without one, it is started here.

    Attributes
    ----------
    told : dict[int, float]
        The values that it began with.
    knows : set[int]
        Numbers of the states that it can be asked to restore.
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        card: Card,
        registry: Registry,
        *,
        sample_rate: float,
        stream: str,
        inputs: int = 0,
        seed: int = 0,
        effects: Sequence[Effect] = (),
        number: int = 0,
        child: Child | None = None,
    ) -> None:
        method = card.method(card.played)
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
        """Let the deck load its model; it doesn't play yet.

        Raises
        ------
        DeckError
            The model cannot be played, with the reason; or the deck ended, or took too long.
        """
        self._ask(**self.order)

    def play(
        self,
        values: Sequence[tuple[int, float]] = (),
        states: Sequence[tuple[int, str]] = (),
        state: int | None = None,
    ) -> None:
        """Let a deck that is loaded play, and wait until it has decoded its first frames.

        Parameters
        ----------
        values
            Pairs of parameter and value to begin with.
        states
            Pairs of number and file: what it may be asked to restore.
        state
            The number of the state to go on from; None begins at rest.
        """
        self.initial_values, self.known_states = dict(values), {number for number, _ in states}
        self._ask(values=list(values), states=list(states), state=state)
        self.send_all(())  # so that it is compiled by the time that it is needed

    def send(self, parameter: int, value: float, sample: int = 0) -> None:
        """Put an event into the deck's ring; it acts at `sample` of the stream's clock, or with the next frame."""
        self.send_all([(parameter, value)], sample)

    def send_all(self, events: Iterable[tuple[int, float]], sample: int = 0) -> None:
        """Put events into the deck's ring, nothing between them; those for the same time act before the same frame."""
        batch = np.array([(sample, parameter, value) for parameter, value in events], EVENT)
        with self._lock:
            ring = self.segment.arrays.get("events")
            if ring is not None and not rings.push_events(self.segment["event_index"], ring, batch):
                self.state["lost_events"] += len(batch)

    def capture(self, number: int) -> None:
        """Let the deck keep its state, as it is before its next frame, under a number."""
        self.known_states.add(number)
        self.send(CAPTURE, number)

    def save_state(self, number: int, path: Path) -> None:
        """Write the state that was captured under a number to a file.

        Raises
        ------
        DeckError
            It could not be captured, or not be written.
        """
        self._ask(keep=number, path=str(path))

    def load_state(self, number: int, path: Path) -> None:
        """Let the deck read a state from a file, to be restored later by its number.

        Raises
        ------
        DeckError
            It is none of this model's.
        """
        self._ask(know=number, path=str(path))
        self.known_states.add(number)

    def done(self) -> np.ndarray:
        """Take what the deck has done since this was asked last."""
        with self._lock:
            log = self.segment.arrays.get("done")
            if log is None:
                return np.zeros(0, DONE)
            into = np.zeros(rings.fill(self.segment["done_index"]), DONE)
            return into[: rings.pop_events(self.segment["done_index"], log, into)]

    def _ask(self, **message: Any) -> None:
        try:
            answer = self._child.ask(START_TIMEOUT_S, **message)
        except ChildError as error:
            raise DeckError(str(error)) from None
        if "failed" in answer:
            raise DeckError(answer["failed"])

    def close(self) -> None:
        """End the process, kindly and then not, and remove its segment. Nothing may read the segment any more."""
        self.state["stop"] = 1
        self._child.close()
        with self._lock:
            self.state = self.state.copy()  # what it told last stays to be read
            self.segment.close()

    def __enter__(self) -> DeckProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def start_deck_process() -> Child:
    """Start a deck's process, before it is known what it shall play."""
    return Child("realtime.decks.deck_process", "The deck")


def wait_for(condition: Any, timeout_s: float, interval_s: float = 0.002) -> bool:
    """Wait until `condition()` holds, for at most `timeout_s`; say whether it did."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(interval_s)
    return True
