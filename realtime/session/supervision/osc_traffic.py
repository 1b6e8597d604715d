"""Counts of OSC messages in shared memory, and notes about messages that are invalid."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from realtime.osc.udp import Counts

NOTE_INTERVAL_S = 3.0


class OscTraffic:
    """Publishes the counts of OSC, and reports invalid messages every 3 s at most.

    Parameters
    ----------
    counts
        Returns the current counts.
    stream : np.void
        The stream's part of its segment.
    notify
        Called with a sentence that names the last invalid messages.
    """

    def __init__(self, counts: Callable[[], Counts], stream: Any, notify: Callable[[str], None]) -> None:
        self._counts, self._stream, self._notify = counts, stream, notify
        self._reported = (0, 0)  # bad and unknown messages at the last note
        self._next_note = 0.0

    def tend(self) -> None:
        """Publish the counts, and report new errors if it is time."""
        counts = self._counts()
        self._stream["osc_messages"], self._stream["osc_bad"] = counts.messages, counts.bad
        self._stream["osc_unknown"] = counts.unknown
        errors, now = (counts.bad, counts.unknown), time.monotonic()
        if errors == self._reported or now < self._next_note:
            return
        bad, unknown = (number - before for number, before in zip(errors, self._reported, strict=True))
        named = [counts.last_bad] * (bad > 0) + [f"there is no address {counts.last_unknown}"] * (unknown > 0)
        more = bad + unknown - len(named)
        sentence = "; ".join(one.removesuffix(".") for one in named)
        others = f" ({more} more {'was' if more == 1 else 'were'} wrong)" if more else ""
        self._notify(f"OSC: {sentence}{others}.")
        self._reported, self._next_note = errors, now + NOTE_INTERVAL_S
