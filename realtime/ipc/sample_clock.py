"""Conversion of time to sample positions on the clock.

The clock advances by whole blocks, so one reading of it gives a time only to a block. Several readings do better: the
one with the highest position for its time came soonest after a block began.
"""

from __future__ import annotations

import time
from typing import Any

KEPT_S = 0.2  # readings older than this are dropped
LATE_S = 0.005  # a callback may be late by this much without blocks having been dropped


class SampleClock:
    """Reads the clock of a stream and converts times to sample positions.

    Parameters
    ----------
    stream : np.void
        The stream's entry in its segment.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._readings: list[tuple[float, float]] = []  # time in s, and sample position of time 0

    def observe(self) -> None:
        """Read the clock; with fewer than a few readings every 0.2 s, conversions are exact only to a block."""
        now = time.monotonic()
        rate = float(self._stream["sample_rate"])
        zero = int(self._stream["clock"]) - now * rate
        readings = [(when, other) for when, other in self._readings if now - when < KEPT_S]
        step = int(self._stream["largest_block"]) + LATE_S * rate
        if readings and zero < max(other for _, other in readings) - step:
            readings.clear()  # the device has dropped blocks
        self._readings = [*readings, (now, zero)]

    def sample_at(self, unix_time: float) -> int:
        """Return the sample position that the device asks for at a Unix time in s."""
        self.observe()
        at = time.monotonic() + unix_time - time.time()
        return round(max(zero for _, zero in self._readings) + at * float(self._stream["sample_rate"]))
