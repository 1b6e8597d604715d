"""The host's side of a deck: starts the process, hears what it says, sends it events, ends it."""

from __future__ import annotations

import math
import os
import threading
import time
from typing import Any

from export.contract import Card, GlitchError
from realtime import rings
from realtime.child import Child, ChildError
from realtime.memory import RING, Geometry, Registry, Segment

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
    values
        Pairs (parameter, value) that the deck starts with.
    ahead
        Frames to decode ahead of the speaker.
    child
        A process from `start_deck` that waits for its order; without one, it is started here.
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        card: Card,
        registry: Registry,
        *,
        sample_rate: float,
        seed: int = 0,
        values: list[tuple[int, float]] | None = None,
        ahead: int,
        child: Child | None = None,
    ) -> None:
        method = card.method("decode")
        hop = math.ceil(method.hop * sample_rate / card.sample_rate)
        capacity = max(RING, 1 << (8 * hop - 1).bit_length())
        self.segment = Segment.create(Geometry("deck", min(method.channels, 2), capacity), registry)
        self.state = self.segment["deck"][0]
        self.state["ahead"] = ahead
        self.state["hop"] = hop
        self._lock = threading.Lock()
        self._child = child or start_deck()
        self._order = {
            "segment": self.segment.name,
            "model": os.fspath(model),
            "sample_rate": sample_rate,
            "seed": seed,
            "values": values or [],
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
        """Let the deck load its model, and wait until it has decoded its first frames.

        Raises
        ------
        DeckError
            The model cannot be played, with the reason; or the deck ended, or took too long.
        """
        try:
            self._child.ask(START_TIMEOUT_S, **self._order)
        except ChildError as error:
            raise DeckError(str(error)) from None

    def send(self, parameter: int, value: float, sample: int = 0) -> None:
        """Put an event into the deck's ring; it acts at `sample` of the stream's clock, or with the next frame."""
        with self._lock:
            events = self.segment.arrays.get("events")
            if events is None:
                return
            if not rings.push_event(self.segment["event_index"], events, sample, parameter, value):
                self.state["lost_events"] += 1

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


def start_deck() -> Child:
    """Start a deck's process, before it is known what it shall play."""
    return Child("realtime.deck", "The deck")


def wait_for(condition: Any, timeout_s: float, interval_s: float = 0.002) -> bool:
    """Wait until `condition()` holds, for at most `timeout_s`; say whether it did."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(interval_s)
    return True
