"""Looks into a running session and at its sound; all that benchmarks know of a session's inside is here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
import psutil

if TYPE_CHECKING:
    from realtime import Session

RATE = 48_000
TIMEOUT_S = 30.0
HOP = 128


def eventually(condition: Callable[[], object], what: str, timeout_s: float = TIMEOUT_S) -> None:
    """Wait until a condition holds; raise `RuntimeError` with `what` if it never does."""
    until = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > until:
            raise RuntimeError(f"waited {timeout_s:.0f} s in vain for {what}")
        time.sleep(0.002)


def steps(audio: np.ndarray, least: float) -> np.ndarray:
    """Return the sample positions where a channel steps by more than `least`."""
    return np.flatnonzero(np.abs(np.diff(audio)) > least) + 1


def largest_jump(audio: np.ndarray) -> float:
    """Return the largest step from one sample to the next, over all channels, leaving out holes of the capture."""
    return float(np.nanmax(np.abs(np.diff(audio, axis=1))))


def memory_mb(without: Sequence[int] = ()) -> float:
    """Return the memory of this process and its children, MB; shared memory counts in shares (PSS)."""
    members = [psutil.Process()]
    members += [child for child in members[0].children(recursive=True) if child.pid not in without]
    total = 0
    for member in members:
        try:
            info = member.memory_full_info()
        except psutil.NoSuchProcess:
            continue
        total += getattr(info, "pss", info.rss)
    return total / 1e6


class ClockWatch:
    """Watches whether the sample clock stops, and keeps pairs of unix time and sample position."""

    def __init__(self, session: Session, every_s: float = 0.004) -> None:
        self._session, self._every_s = session, every_s
        self.longest_gap_s = 0.0
        self.pairs: list[tuple[float, int]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        clock, since = -1, 0.0  # when the clock was first seen at this position
        while not self._stop.wait(self._every_s):
            before, now, seen = time.time(), time.monotonic(), sample_clock(self._session)
            self.pairs.append((before, seen))
            if seen != clock:
                clock, since = seen, now
            self.longest_gap_s = max(self.longest_gap_s, now - since)


def sample_clock(session: Session) -> int:
    """Return the sample position: how many samples the device was given."""
    return int(session.segment["stream"][0]["clock"])


def played(session: Session, begin: int, end: int) -> np.ndarray:
    """Return the output between two sample positions from the session's history, left channel."""
    history = session.segment["history"]
    return np.asarray(history[np.arange(begin, end) % len(history), 0])


def deck_pid(session: Session, letter: str) -> int:
    """Return the process id of a deck, 0 while it has none."""
    process = session.parts.rack.players[letter].process
    return process.pid if process is not None and process.alive else 0


def deck_underruns(session: Session, letter: str) -> int:
    """Return how many underruns a deck has had."""
    return session.parts.rack.players[letter].underruns


def offline(path: Path, seconds: float, seed: int) -> np.ndarray:
    """Render what a deck with every knob at its default plays [shape=(channels, samples)], without a session."""
    from realtime.engine.engine import Engine

    engine = Engine(path, RATE, seed=seed)
    engine.settle()
    return np.concatenate([engine.next() for _ in range(int(seconds * RATE / engine.hop))], axis=1)


def through_the_mixer(audio: np.ndarray, gain: float) -> np.ndarray:
    """Apply a gain and the mixer's high-pass (first order, 5 Hz) to one channel."""
    from scipy.signal import lfilter

    pole = 1.0 - 2.0 * np.pi * 5.0 / RATE
    return np.asarray(lfilter([1.0, -1.0], [1.0, -pole], gain * audio.astype(float)))
