"""A deck process: decodes ahead of the speaker, as far as its mark, and never further.

    python -m realtime.decks.deck_process

The host asks by lines of JSON on standard input; when that pipe ends, so does the deck. Each is answered by a line.

- `{"segment", "stream", "model", "sample_rate", "seed", "inputs", "effects"}`: load. Answer: `{"loaded": true}`.
- `{"values", "states", "state"}`: take these values (pairs of parameter and value) and states (pairs of number and
  file), go on from the state of that number (null: from rest), and play. Answer: `{"ready": true}`.
- `{"keep": number, "path"}`: write the state that was captured under that number to a file.
- `{"know": number, "path"}`: read a state, for a later restore.

Audio, events and telemetry go through the segments alone.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from export.errors import GlitchError
from realtime.dsp.input_reader import InputReader
from realtime.effects.chain import Effect
from realtime.engine.engine import Engine
from realtime.engine.state import EngineState
from realtime.ipc import rings
from realtime.ipc.child import Requests, reply
from realtime.ipc.layout import EVENT, EVENTS, READ, RESTORE, SEEK_INPUT, WRITE
from realtime.ipc.priority import drop_priority, lock_memory, request_realtime
from realtime.ipc.segments import Segment

CAPTURE_S = 2.0
INPUT_LATE_MS = 5.0  # live input further behind than it need be is left out, to be near again
LONGEST_SLEEP = 2e-3
SHORTEST_SLEEP = 2e-4
SMOOTHING = 0.05  # of what is told, a hop


class Deck:
    """The loop of a deck: take due events, decode a frame, push it, sleep until the ring is below its mark."""

    def __init__(self, engine: Engine, segment: Segment, stream: Segment) -> None:
        self.engine = engine
        self.segment = segment
        self.state = segment["deck"][0]
        self._stream = stream
        self._input_reader = InputReader(self._heard, engine.sample_rate)
        self._incoming = np.zeros(EVENTS, EVENT)
        self._waiting: list[tuple[int, int, int, float]] = []  # (sample, arrival, parameter, value), sorted
        self._arrivals = 0
        self._began = 0.0

    def warm(self) -> None:
        """Compile, or load, what the first event calls: compiling takes longer than is decoded ahead."""
        scratch = np.zeros_like(self.segment["done_index"]), np.zeros_like(self.segment["done"])
        rings.push_done(*scratch, 0, 0, 0, 0.0)

    def run(self) -> None:
        """Play until the host says stop."""
        state, ring = self.state, self.segment["ring_index"]
        rate = self.engine.sample_rate
        while not state["stop"]:
            above = rings.fill(ring) - int(state["lookahead"])
            if above >= 0:
                time.sleep(min(max(above / rate, SHORTEST_SLEEP), LONGEST_SLEEP))
                continue
            self.frame()

    def frame(self) -> None:
        """Make the next frame and push it."""
        self.push(self.make())

    def make(self) -> np.ndarray:
        """Apply what is due by the next frame, and decode it [shape=(channels, hop)]."""
        self._began = time.perf_counter()
        ring = self.segment["ring_index"]
        self.state["fill"] += SMOOTHING * (rings.fill(ring) - float(self.state["fill"]))
        sounds = int(ring[WRITE]) + int(self.state["play_offset"])
        self.apply_due(sounds + self.engine.hop // 2, sounds)  # each at the frame that begins nearest to it
        given = self._hear(sounds) if self.engine.inputs else None
        return self.engine.next(given)

    def push(self, audio: np.ndarray) -> None:
        """Push a frame into the ring, and publish its cost."""
        while not rings.push_audio(self.segment["ring_index"], self.segment["ring"], audio.shape[0], audio):
            if self.state["stop"]:
                return
            time.sleep(LONGEST_SLEEP)
        self._tell(1e3 * (time.perf_counter() - self._began))

    def apply_due(self, until: int, sounds: int) -> None:
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
            if parameter == RESTORE and int(value) not in self.engine.states:
                continue  # its file hasn't been read, or isn't there
            self.engine.apply(parameter, value)
            self._note(sounds, parameter, value)
        del self._waiting[:due]
        self.state["events"] += due

    def _hear(self, sounds: int) -> np.ndarray:
        """Take the live input for the frame that will sound at `sounds`.

        It is read as late as the decode-ahead lets it be there for certain, with what a jump needs to spare. When it
        isn't there, or has fallen far behind, reading begins anew at the right place, and that is noted.
        """
        hearing, wanted = self._input_reader, self.engine.wanted
        if self.segment["ring_index"][READ] == 0:  # nobody hears this deck yet, so it cannot know when it sounds
            return hearing.read(wanted)
        there = int(self._stream["stream"][0]["input_clock"]) - wanted - hearing.fade
        near = min(sounds - int(self.state["lookahead"]) - wanted - hearing.fade, there)
        at = hearing.at
        early = at is not None and at > there
        if at is None or early or near - at > INPUT_LATE_MS * self.engine.sample_rate / 1000:
            self.state["input_jumps"] += at is not None
            hearing.jump(near)
            self._note(sounds, SEEK_INPUT, near)
            at = near
        made = int(self.segment["ring_index"][WRITE])
        self.state["input_delay"] = sounds - made + self.engine.taken - at + self.engine.input_delay
        return hearing.read(wanted)

    def _heard(self, samples: np.ndarray) -> np.ndarray:
        """Give the live input at some samples of the clock, and silence before its beginning."""
        history = self._stream["input"]
        return np.where(samples >= 0, history[samples % len(history)].T, np.float32(0))

    def _note(self, sounds: int, parameter: int, value: float) -> None:
        """Tell the host what was done, and before which frame."""
        done, frame = self.segment["done"], self.engine.frames
        if not rings.push_done(self.segment["done_index"], done, frame, sounds, parameter, float(value)):
            self.state["lost_done"] += 1

    def _tell(self, cost_ms: float) -> None:
        state = self.state
        state["frames"] += 1
        state["decode_ms"] += SMOOTHING * (cost_ms - state["decode_ms"])
        state["worst_ms"] = max(cost_ms, state["worst_ms"] * 0.9999)
        state["nonfinite"] = self.engine.nonfinite
        problems = self.engine.problems
        if len(problems) > state["problems"]:
            self.segment.write_text("problem", " ".join(problems[int(state["problems"]) :]))
            state["problems"] = len(problems)
        self.segment["latents"][: self.engine.latents.scores.size] = self.engine.latents.scores


def main() -> int:
    """Run a deck process; see the module's head."""
    _keep_our_output()
    orders = Requests(grace_s=0.0)
    order = orders.next()
    if order is None:
        return 0
    with Segment.attach(order["segment"]) as segment, Segment.attach(order["stream"]) as stream:
        try:
            return _play(orders, order, segment, stream)
        except GlitchError as error:
            reply(error=str(error))
            return 1


def _keep_our_output() -> None:
    """Let nobody else write to the pipe that the host reads: plug-ins print to standard output as they like."""
    ours = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = os.fdopen(ours, "w")


def _play(orders: Requests, order: dict[str, Any], segment: Segment, stream: Segment) -> int:
    engine = load(order)
    cost = engine.decoder.warm()
    reply(loaded=True)
    go = orders.next()
    if go is None:
        return 0
    deck, states = prepare(engine, go, segment, stream)
    state = deck.state
    lock_memory()
    gc.collect()
    gc.freeze()
    gc.disable()
    sys.setswitchinterval(1e-4)  # the thread below may not keep the decoder waiting
    deck.warm()
    while rings.fill(segment["ring_index"]) < state["lookahead"]:
        deck.frame()
    state["priority"] = request_realtime()  # not before: all until now would take time from decks that play
    state["decode_ms"] = state["worst_ms"] = 1e3 * cost  # the first frames load code; they tell nothing
    state["fill"] = state["lookahead"]
    state["ready"] = 1
    reply(ready=True)
    threading.Thread(target=_keep_and_know, args=(orders, engine, states), name="states", daemon=True).start()
    deck.run()
    drop_priority()
    return 0


def load(order: dict[str, Any]) -> Engine:
    """Make the engine that an order to load asks for."""
    effects = [Effect.from_json(effect) for effect in order["effects"]]
    return Engine(order["model"], order["sample_rate"], seed=order["seed"], inputs=order["inputs"], effects=effects)


def prepare(engine: Engine, go: dict[str, Any], segment: Segment, stream: Segment) -> tuple[Deck, dict[int, str]]:
    """Make the deck that an order to play asks for, with the files of the states that are still to be read."""
    states = dict(go["states"])
    if go["state"] in states:
        engine.states[go["state"]] = read_state(states.pop(go["state"]))
    for parameter, value in go["values"]:
        engine.apply(int(parameter), float(value))
    engine.settle(engine.states.get(go["state"]))
    deck = Deck(engine, segment, stream)
    deck.state["hop"], deck.state["delay"] = engine.hop, engine.delay
    deck.state["deadline_ms"] = 1e3 * engine.decoder.hop / engine.decoder.card.sample_rate
    return deck, states


def _keep_and_know(orders: Requests, engine: Engine, states: dict[int, str]) -> None:
    """Write and read states for the host, beside the playing."""
    for number, path in states.items():
        with contextlib.suppress(GlitchError, OSError):  # a snapshot without its memory still has its values
            engine.states[number] = read_state(path)
    while (order := orders.next()) is not None:
        try:
            if "know" in order:
                engine.states[order["know"]] = read_state(order["path"])
            else:
                Path(order["path"]).write_bytes(_captured(engine, order["keep"]).to_bytes())
            reply(done=True)
        except (GlitchError, OSError) as error:
            reply(failed=str(error))


def _captured(engine: Engine, number: int) -> EngineState:
    end = time.monotonic() + CAPTURE_S
    while number not in engine.states:
        if time.monotonic() > end:
            raise GlitchError("The deck made no frame to keep the state of.")
        time.sleep(LONGEST_SLEEP)
    return engine.states[number]


def read_state(path: str) -> EngineState:
    """Read a state from its file."""
    return EngineState.from_bytes(Path(path).read_bytes())


if __name__ == "__main__":
    os._exit(main())  # at once: there are plug-ins that crash when they are unloaded, and nothing is left to be done
