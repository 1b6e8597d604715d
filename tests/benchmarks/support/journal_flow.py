"""How many events a second a take's journal keeps, beside a plain file."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from realtime.ipc import rings
from realtime.ipc.memory_layout import DONE, EVENTS, HISTORY, RING, Geometry
from realtime.ipc.segment_registry import SegmentRegistry
from realtime.ipc.segments import Segment
from realtime.takes.journal import ENTRY, Journal
from tests.benchmarks.support.job import BenchmarkError, Figures

EVENTS_PER_S = 20_000
PERIOD_S = 0.001


class LoggingDeck:
    """The part of a deck that the journal reads, with a log that the benchmark fills."""

    number = 0

    def __init__(self, registry: SegmentRegistry) -> None:
        self.segment = Segment.create(Geometry("deck", 1, RING), registry)
        self.state: Any = self.segment["deck"][0]
        self.order = {"model": "", "sample_rate": 48_000, "seed": 0, "inputs": 0, "effects": []}
        self._pushed = 0

    def push(self, count: int) -> None:
        """Apply events, whose values count up; those that find the log full are lost, as in a deck."""
        index, log = self.segment["done_index"], self.segment["done"]
        for _ in range(count):
            if not rings.push_done(index, log, self._pushed, 0, 1, float(self._pushed)):
                self.state["lost_done"] += 1
            self._pushed += 1

    @property
    def pushed(self) -> int:
        """How many events have been applied."""
        return self._pushed

    def applied_events(self) -> np.ndarray:
        """Take the events since the last call [shape=(events,), dtype=DONE]."""
        index = self.segment["done_index"]
        into = np.zeros(rings.fill(index), DONE)
        return into[: rings.pop_events(index, self.segment["done"], into)]

    def close(self) -> None:
        """Remove the segment."""
        del self.state
        self.segment.close()


def measure_journal(seconds: float, rounds: int) -> Figures:
    """Write events into a journal, in real time and then as fast as it takes them.

    Parameters
    ----------
    seconds
        Duration of the real-time flow of `EVENTS_PER_S`. A take is written halfway.
    rounds
        Full logs of a deck that are drained at the journal's own speed, each beside a plain file.

    Returns
    -------
    Figures
        See `tests.benchmarks.live.take`.

    Raises
    ------
    BenchmarkError
        The journal stopped, or its entries are not those that it was given.
    """
    registry = SegmentRegistry()
    stream = Segment.create(Geometry("stream", 1, HISTORY), registry)
    deck = LoggingDeck(registry)
    deck.push(1)  # compiled before it is measured
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        journal = Journal(folder, _fail)
        try:
            journal.start(stream, sample_rate=48_000, channels=1)
            journal.add_deck(deck, "a", "", [], [], [], None)
            flow = _in_real_time(journal, deck, seconds, folder / "flow.take")
            speed = _at_full_speed(journal, deck, rounds, folder / "plain.bin")
            kept = np.fromfile(journal.folder / "events.bin", ENTRY)["value"]
            if not deck.state["lost_done"] and not np.array_equal(kept, np.arange(deck.pushed)):
                raise BenchmarkError(f"the journal has {len(kept)} of {deck.pushed} events, or not in their order")
        finally:
            journal.close()
            deck.close()
            stream.close()
            registry.close()
    return flow | speed


def _in_real_time(journal: Journal, deck: LoggingDeck, seconds: float, take: Path) -> Figures:
    first, took, began = deck.pushed, False, time.perf_counter()
    while (now := time.perf_counter() - began) < seconds:
        deck.push(round(now * EVENTS_PER_S) - (deck.pushed - first))
        if now > seconds / 2 and not took:
            journal.take(take, 0, 1)
            took = True
        time.sleep(PERIOD_S)
    sent, took_s = deck.pushed - first, time.perf_counter() - began
    journal.drain()
    return {"flow_per_s": round(sent / took_s), "flow_events": sent, "flow_lost": journal.lost()}


def _at_full_speed(journal: Journal, deck: LoggingDeck, rounds: int, plain: Path) -> Figures:
    """Drain full logs, and write the same bytes to a buffered file; the two in turns."""
    journal_s, file_s = [], []
    with plain.open("wb") as file:
        for _ in range(rounds):
            deck.push(EVENTS)
            began = time.perf_counter()
            while rings.fill(deck.segment["done_index"]):  # the journal's thread may have begun already
                journal.drain()
            journal_s.append(time.perf_counter() - began)
            entries = np.zeros(EVENTS, ENTRY)
            entries["value"] = np.arange(EVENTS)
            began = time.perf_counter()
            file.write(entries.tobytes())
            file.flush()
            file_s.append(time.perf_counter() - began)
    return {
        "events_per_s": round(EVENTS / statistics.median(journal_s)),
        "plain_file_per_s": round(EVENTS / statistics.median(file_s)),
        "cost_ratio": round(statistics.median(a / b for a, b in zip(journal_s, file_s, strict=True)), 2),
    }


def _fail(sentence: str) -> None:
    raise BenchmarkError(sentence)
