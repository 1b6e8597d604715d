"""The loop of a deck: decode frames until the ring holds the look-ahead, then wait.

It reads the clock only to measure what a frame costs, so a test can drive `Deck.step` on a virtual clock.
"""

from __future__ import annotations

import time

import numpy as np

from realtime.dsp.input_reader import InputReader
from realtime.engine.engine import Engine
from realtime.ipc import rings
from realtime.ipc.memory_layout import EVENT, EVENTS, READ, RESTORE, SEEK_INPUT, WRITE
from realtime.ipc.segments import Segment

INPUT_LATE_MS = 5.0  # live input that lags by more than this is skipped
MAX_SLEEP_S = 2e-3
MIN_SLEEP_S = 2e-4
SMOOTHING = 0.05  # of telemetry, per frame


class Deck:
    """Decodes frames into a deck's ring, with events applied and live input read at their sample positions.

    Parameters
    ----------
    engine
        Makes the sound.
    segment
        The deck's segment: audio ring, events, telemetry.
    stream
        The stream segment, for its clock and its live input.
    """

    def __init__(self, engine: Engine, segment: Segment, stream: Segment) -> None:
        self.engine = engine
        self.segment = segment
        self.state = segment["deck"][0]
        self._stream = stream
        self._input_reader = InputReader(self._input_at, engine.sample_rate)
        self._incoming = np.zeros(EVENTS, EVENT)
        self._waiting: list[tuple[int, int, int, float]] = []  # (sample, arrival, parameter, value), sorted
        self._arrivals = 0
        self._began = 0.0

    def warm(self) -> None:
        """Compile, or load from the cache, what the first event calls: compiling takes longer than the look-ahead."""
        scratch = np.zeros_like(self.segment["done_index"]), np.zeros_like(self.segment["done"])
        rings.push_done(*scratch, 0, 0, 0, 0.0)

    def run(self) -> None:
        """Decode until the host sets `stop`."""
        state, ring = self.state, self.segment["ring_index"]
        rate = self.engine.sample_rate
        while not state["stop"]:
            excess = rings.fill(ring) - int(state["lookahead"])
            if excess >= 0:
                time.sleep(min(max(excess / rate, MIN_SLEEP_S), MAX_SLEEP_S))
                continue
            self.step()

    def step(self) -> None:
        """Decode the next frame and push it into the ring."""
        self.push(self.decode())

    def decode(self) -> np.ndarray:
        """Apply the events that are due before the next frame, and decode it.

        Returns
        -------
        audio : np.ndarray [shape=(channels, samples)], float32
        """
        self._began = time.perf_counter()
        ring = self.segment["ring_index"]
        self.state["fill"] += SMOOTHING * (rings.fill(ring) - float(self.state["fill"]))
        position = int(ring[WRITE]) + int(self.state["play_offset"])
        self.apply_due(position + self.engine.hop // 2, position)  # each before the frame nearest to it
        audio = self._read_input(position) if self.engine.inputs else None
        return self.engine.next(audio)

    def push(self, audio: np.ndarray) -> None:
        """Push a frame [shape=(channels, samples)] into the ring, and publish its cost."""
        while not rings.push_audio(self.segment["ring_index"], self.segment["ring"], audio.shape[0], audio):
            if self.state["stop"]:
                return
            time.sleep(MAX_SLEEP_S)
        self._publish(1e3 * (time.perf_counter() - self._began))

    def apply_due(self, until: int, position: int) -> None:
        """Apply the events before sample position `until`, in order of time and then of arrival.

        Parameters
        ----------
        until
            Sample position; events at it or after it wait.
        position
            Sample position of the next frame, for the log.
        """
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
                continue  # its file hasn't been read yet, or is missing
            self.engine.apply(parameter, value)
            self._log(position, parameter, value)
        del self._waiting[:due]
        self.state["events"] += due

    def _read_input(self, position: int) -> np.ndarray:
        """Read the live input for the frame at a sample position [shape=(inputs, samples)]."""
        reader, wanted = self._input_reader, self.engine.input_wanted
        if self.segment["ring_index"][READ] == 0:  # not playing yet, so the frame's position is unknown
            return reader.read(wanted)
        # Read as late as the look-ahead allows, with a reserve for the crossfade of a jump. If that input hasn't come
        # yet, or if reading lags by INPUT_LATE_MS, jump to the right position and log the jump.
        latest = int(self._stream["stream"][0]["input_clock"]) - wanted - reader.fade
        target = min(position - int(self.state["lookahead"]) - wanted - reader.fade, latest)
        at = reader.at
        early = at is not None and at > latest
        if at is None or early or target - at > INPUT_LATE_MS * self.engine.sample_rate / 1000:
            self.state["input_jumps"] += at is not None
            reader.jump(target)
            self._log(position, SEEK_INPUT, target)
            at = target
        written = int(self.segment["ring_index"][WRITE])
        self.state["input_delay"] = position - written + self.engine.input_taken - at + self.engine.input_delay
        return reader.read(wanted)

    def _input_at(self, samples: np.ndarray) -> np.ndarray:
        """Return the live input at sample positions, and silence before position 0."""
        history = self._stream["input"]
        return np.where(samples >= 0, history[samples % len(history)].T, np.float32(0))

    def _log(self, position: int, parameter: int, value: float) -> None:
        """Log an event with the frame before which it was applied."""
        done, frame = self.segment["done"], self.engine.frames
        if not rings.push_done(self.segment["done_index"], done, frame, position, parameter, float(value)):
            self.state["lost_done"] += 1

    def _publish(self, cost_ms: float) -> None:
        """Publish telemetry after a frame."""
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
