"""MIDI clock to a tempo and a place in the song: 24 ticks a quarter, straight line through the last ones."""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass
from typing import Literal

TICKS_A_QUARTER = 24
TICKS_A_SIXTEENTH = 6
WINDOW = 2 * TICKS_A_QUARTER
ENOUGH = TICKS_A_QUARTER // 2  # ticks before a tempo is said, and those that show that it has changed
CHANGED = 0.06  # what the last ticks must differ by, to be a new tempo and not jitter
SLOWEST_BPM, FASTEST_BPM = 20.0, 400.0
OTHER_TEMPO = 0.25  # by which the median of the gaps must differ for all to begin anew
LOST = 1.5  # usual gaps, from which on ticks were lost
LONGEST_GAP_S = 2.0
SAID_AGAIN = 5e-4  # relative difference worth saying

Transport = Literal["start", "continue", "stop", "position"]


@dataclass
class Clock:
    """Follows one clock.

    Attributes
    ----------
    bpm
        Quarters a minute; 0 while unknown.
    running
        Between start or continue, and stop.
    ticks
        Since the song's start, 24 a quarter.
    """

    bpm: float = 0.0
    running: bool = False
    ticks: int = 0

    def __post_init__(self) -> None:
        self._times: deque[tuple[int, float]] = deque(maxlen=WINDOW)  # (tick's number, its time)
        self._gaps: deque[float] = deque(maxlen=ENOUGH)
        self._said = 0.0

    @property
    def quarters(self) -> float:
        """The place in the song, in quarters."""
        return self.ticks / TICKS_A_QUARTER

    def tick(self, at: float) -> float | None:
        """Take a tick at a time in seconds; give the tempo if it is worth saying again."""
        steps = 1
        if self._times:
            gap = at - self._times[-1][1]
            if 0.0 <= gap <= LONGEST_GAP_S:
                steps = self._steps(gap)
            else:
                self._times.clear()
                self._gaps.clear()
        if self.running:
            self.ticks += steps
        number = self._times[-1][0] + steps if self._times else 0
        self._times.append((number, at))
        if len(self._times) < ENOUGH or number % TICKS_A_SIXTEENTH:
            return None
        return self._estimate()

    def transport(self, kind: Transport, sixteenths: int = 0) -> None:
        """Take start, continue, stop or a song position."""
        if kind == "position":
            self.ticks = sixteenths * TICKS_A_SIXTEENTH
        elif kind == "start":
            self.ticks, self.running = 0, True
        else:
            self.running = kind == "continue"

    def _steps(self, gap: float) -> int:
        """How many ticks a gap stands for: more than one where some were lost."""
        self._gaps.append(gap)
        if len(self._gaps) < ENOUGH:
            return 1
        usual = statistics.median(self._gaps)
        if self.bpm and abs(usual * TICKS_A_QUARTER * self.bpm / 60.0 - 1) > OTHER_TEMPO:
            self._times.clear()
            self.bpm = 0.0
            return 1
        return round(gap / usual) if usual > 0 and gap > LOST * usual else 1

    def _estimate(self) -> float | None:
        period, now = _slope(list(self._times)), _slope(list(self._times)[-ENOUGH:])
        if period > 0 and abs(now / period - 1) > CHANGED:
            self._times = deque(list(self._times)[-ENOUGH:], WINDOW)
            period = now
        if period <= 0:
            return None
        bpm = 60.0 / (TICKS_A_QUARTER * period)
        if not SLOWEST_BPM <= bpm <= FASTEST_BPM:
            return None
        self.bpm = bpm
        if self._said and abs(bpm / self._said - 1) <= SAID_AGAIN:
            return None
        self._said = bpm
        return bpm


def _slope(points: list[tuple[int, float]]) -> float:
    """Seconds a tick: the straight line with the least squares."""
    count = len(points)
    mean_x = sum(number for number, _ in points) / count
    mean_y = sum(at for _, at in points) / count
    spread = sum((number - mean_x) ** 2 for number, _ in points)
    return sum((number - mean_x) * (at - mean_y) for number, at in points) / spread if spread else 0.0
