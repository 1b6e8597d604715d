"""Times of messages without the jitter of polling.

The driver gives the interval between two messages exactly, but no absolute time. The poller knows the absolute time,
but is late by a varying amount. The smallest difference between the two time lines that was ever seen is their offset.
"""

from __future__ import annotations

import math

MAX_DRIFT = 5e-4  # seconds per second; more than crystals drift, less than jitter
RESYNC_S = 1.0  # a larger difference means that one of the clocks was set


class Timestamps:
    """Times of the messages of one port, in order."""

    def __init__(self) -> None:
        self._device = 0.0
        self._offset = math.inf
        self._last_now, self._last = 0.0, 0.0

    def next(self, delta: float, now: float) -> float:
        """Return the time of the next message.

        Parameters
        ----------
        delta
            Seconds since the previous message, from the driver.
        now
            Unix time at which the message was read, in seconds.

        Returns
        -------
        float
            Unix time in seconds; never later than `now`, and never before the previous message unless the system's
            clock was set back.
        """
        self._device += delta if 0.0 <= delta < math.inf else 0.0
        offset = now - self._device
        if offset < self._offset or offset - self._offset > RESYNC_S:
            self._offset = offset
        else:
            elapsed = max(now - self._last_now, 0.0)
            self._offset += min(offset - self._offset, MAX_DRIFT * elapsed)
        earliest = self._last if now >= self._last_now else -math.inf
        self._last_now, self._last = now, min(max(self._device + self._offset, earliest), now)
        return self._last
