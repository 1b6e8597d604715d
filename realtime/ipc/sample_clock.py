"""Which sample of the clock a time is.

The clock stands still within a block and then goes on by all of it, so a look at it tells a time only to a block. Many
looks tell it better: the one that is furthest ahead of its time came the soonest after a step.
"""

from __future__ import annotations

import time
from typing import Any

KEPT_S = 0.2
LATE_S = 0.005  # a callback may be late by so much, and the device has left nothing out


class SampleClock:
    """Looks at the clock of a stream, and what they tell."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._looks: list[tuple[float, float]] = []  # when, and which sample its second 0 would be

    def look(self) -> None:
        """Look at the clock; without some looks in every fifth of a second a time is known to a block only."""
        now = time.monotonic()
        rate = float(self._stream["sample_rate"])
        zero = int(self._stream["clock"]) - now * rate
        looks = [(when, other) for when, other in self._looks if now - when < KEPT_S]
        step = int(self._stream["largest_block"]) + LATE_S * rate
        if looks and zero < max(other for _, other in looks) - step:
            looks.clear()  # the device left some out, and time has gone on
        self._looks = [*looks, (now, zero)]

    def sample_at(self, unix_time: float) -> int:
        """Give the sample that the device asks for at a time."""
        self.look()
        at = time.monotonic() + unix_time - time.time()
        return round(max(zero for _, zero in self._looks) + at * float(self._stream["sample_rate"]))
