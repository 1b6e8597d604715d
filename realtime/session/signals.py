"""Signals: how a part announces a change without knowing who follows it."""

from __future__ import annotations

from collections.abc import Callable


class Signal:
    """Calls every connected callback, in the order in which they were connected, in the thread that emits."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[[], None]] = []

    def connect(self, callback: Callable[[], None]) -> None:
        """Call `callback` each time from now on."""
        self._callbacks.append(callback)

    def emit(self) -> None:
        """Announce a change."""
        for callback in self._callbacks:
            callback()
