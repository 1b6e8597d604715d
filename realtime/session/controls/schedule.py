"""Actions that wait for their sample position."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable

from export.errors import GlitchError


class Schedule:
    """Holds actions until the clock reaches their sample position. Any thread may add; one thread runs them.

    Parameters
    ----------
    notify
        Called with the sentence of a `GlitchError` that an action raises.
    """

    def __init__(self, notify: Callable[[str], None]) -> None:
        self._notify = notify
        self._waiting: list[tuple[int, int, Callable[[], None]]] = []  # sample position, arrival, action
        self._arrivals = itertools.count()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, sample: int, action: Callable[[], None]) -> None:
        """Run an action when the clock reaches a sample position; those of one position run in order of arrival."""
        with self._lock:
            heapq.heappush(self._waiting, (sample, next(self._arrivals), action))

    def run_due(self, clock: int) -> None:
        """Run the actions whose position the clock has reached."""
        while self._waiting and self._waiting[0][0] <= clock:
            with self._lock:
                _, _, action = heapq.heappop(self._waiting)
            try:
                action()
            except GlitchError as error:
                self._notify(str(error))
