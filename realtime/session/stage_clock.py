"""The clock of a session: the number of samples given to the device, and their rate."""

from __future__ import annotations

from typing import Any

from realtime.ipc.sample_clock import SampleClock
from realtime.osc.udp import IMMEDIATELY


class StageClock:
    """Reads the clock of a stream.

    Parameters
    ----------
    stream : np.void
        The stream's part of its segment.
    sample_rate
        Of the device, in Hz.

    Attributes
    ----------
    sample_rate : float
        Changes when the device returns at another rate.
    """

    def __init__(self, stream: Any, sample_rate: float) -> None:
        self._stream, self._timing = stream, SampleClock(stream)
        self.sample_rate = sample_rate

    @property
    def now(self) -> int:
        """Samples given to the device so far."""
        return int(self._stream["clock"])

    def observe(self) -> None:
        """Observe the clock; a few times in each fifth of a second, so that times are known to less than a block."""
        self._timing.observe()

    def sample_at(self, unix_time: float) -> int:
        """Return the sample position of a unix time; 0, which acts at once, for `IMMEDIATELY`."""
        return 0 if unix_time == IMMEDIATELY else self._timing.sample_at(unix_time)
