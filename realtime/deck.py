"""A deck process: decodes ahead of the speaker, as far as its mark, and never further.

    python -m realtime.deck

The host writes one line of JSON to its standard input (segment, model, rate, seed, values) and keeps the pipe open;
when the pipe ends, so does the deck. It answers `{"ready": true}` or `{"error": sentence}`. Audio, events and telemetry
go through the segment alone.
"""

from __future__ import annotations

import gc
import sys
import time
from typing import Any

import numpy as np

from export.contract import GlitchError
from realtime import rings
from realtime.child import Orders, say
from realtime.engine import Engine
from realtime.memory import EVENT, EVENTS, WRITE, Segment
from realtime.priority import lock_memory, raise_priority

LONGEST_SLEEP = 2e-3
SHORTEST_SLEEP = 1e-4


class Deck:
    """The loop of a deck: take due events, decode a frame, push it, sleep until the ring is below its mark."""

    def __init__(self, engine: Engine, segment: Segment) -> None:
        self.engine = engine
        self.segment = segment
        self.state = segment["deck"][0]
        self._incoming = np.zeros(EVENTS, EVENT)
        self._waiting: list[tuple[int, int, int, float]] = []  # (sample, arrival, parameter, value), sorted
        self._arrivals = 0

    def run(self) -> None:
        """Play until the host says stop."""
        state, ring = self.state, self.segment["ring_index"]
        rate = self.engine.sample_rate
        while not state["stop"]:
            above = rings.fill(ring) - int(state["ahead"])
            if above >= 0:
                time.sleep(min(max(above / rate, SHORTEST_SLEEP), LONGEST_SLEEP))
                continue
            self.frame()

    def frame(self) -> None:
        """Apply what is due by the next frame, make it and push it."""
        began = time.perf_counter()
        ring, audio_ring = self.segment["ring_index"], self.segment["ring"]
        self.apply_due(int(ring[WRITE]) + int(self.state["play_offset"]) + self.engine.hop)
        audio = self.engine.next()[: self.segment.geometry.channels]
        while not rings.push_audio(ring, audio_ring, audio.shape[0], audio):
            if self.state["stop"]:
                return
            time.sleep(LONGEST_SLEEP)
        self._tell(1e3 * (time.perf_counter() - began))

    def apply_due(self, until: int) -> None:
        """Apply, in order of time and then of arrival, the events whose sample lies before `until`."""
        count = rings.pop_events(self.segment["event_index"], self.segment["events"], self._incoming)
        for sample, parameter, value in self._incoming[:count].tolist():
            self._waiting.append((sample, self._arrivals, parameter, value))
            self._arrivals += 1
        if not self._waiting:
            return
        self._waiting.sort()
        due = sum(1 for event in self._waiting if event[0] < until)
        for _, _, parameter, value in self._waiting[:due]:
            self.engine.apply(parameter, value)
        del self._waiting[:due]
        self.state["events"] += due

    def _tell(self, cost_ms: float) -> None:
        state = self.state
        state["frames"] += 1
        state["decode_ms"] += 0.05 * (cost_ms - state["decode_ms"])
        state["worst_ms"] = max(cost_ms, state["worst_ms"] * 0.9999)
        state["nonfinite"] = self.engine.nonfinite
        self.segment["latents"][: self.engine.latents.scores.size] = self.engine.latents.scores


def main() -> int:
    """Run a deck process; see the module's head."""
    orders = Orders(grace_s=0.0)
    order = orders.next()
    if order is None:
        return 0
    with Segment.attach(order["segment"]) as segment:
        return _play(order, segment)


def _play(order: dict[str, Any], segment: Segment) -> int:
    try:
        engine = Engine(order["model"], order["sample_rate"], seed=order["seed"])
        cost = engine.decoder.warm()
    except GlitchError as error:
        say(error=str(error))
        return 1
    for parameter, value in order["values"]:
        engine.apply(int(parameter), float(value))
    engine.settle()
    state = segment["deck"][0]
    state["hop"], state["delay"] = engine.hop, engine.delay
    state["deadline_ms"] = 1e3 * engine.decoder.hop / engine.decoder.card.sample_rate
    state["priority"] = raise_priority()
    lock_memory()
    gc.collect()
    gc.freeze()
    gc.disable()
    deck = Deck(engine, segment)
    while rings.fill(segment["ring_index"]) < state["ahead"]:
        deck.frame()
    state["decode_ms"] = state["worst_ms"] = 1e3 * cost  # the first frames load code; they tell nothing
    state["ready"] = 1
    say(ready=True)
    deck.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
