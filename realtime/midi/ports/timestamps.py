"""From the driver's own intervals to unix time, without the jitter of whoever polls.

The driver knows how long after the previous message each one came, but not when that was; whoever polls knows what time
it is, but comes late, by a varying time. The earliest that any message ever came, seen on the driver's time line, is
where the two lines meet.
"""

from __future__ import annotations

import math

DRIFT = 5e-4  # seconds a second by which two clocks may part: far more than crystals do, far less than jitter
LOST_TRACK_S = 1.0


class Stamps:
    """Times for the messages of one port, in order."""

    def __init__(self) -> None:
        self._device = 0.0
        self._offset = math.inf
        self._last_now = 0.0

    def at(self, delta: float, now: float) -> float:
        """Give the unix time of a message.

        Parameters
        ----------
        delta
            Seconds since the previous message, as the driver says.
        now
            Unix time at which it was fetched.

        Returns
        -------
        float
            Never later than `now`, and never before the previous one's unless the system's clock was set back.
        """
        self._device += delta if 0.0 <= delta < math.inf else 0.0
        slack = now - self._device
        if slack < self._offset or slack - self._offset > LOST_TRACK_S:
            self._offset = slack
        else:
            elapsed = max(now - self._last_now, 0.0)
            self._offset += min(slack - self._offset, DRIFT * elapsed)
        self._last_now = now
        return min(self._device + self._offset, now)
