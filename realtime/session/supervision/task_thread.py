"""The supervisor: a thread that keeps a session going, without touching the audio."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

INTERVAL_S = 0.02


class TaskThread:
    """Runs tasks in turn, a few dozen times a second.

    Parameters
    ----------
    tasks
        None of them may wait.
    closing
        Ends the thread when it is set.
    """

    def __init__(self, tasks: Sequence[Callable[[], None]], closing: threading.Event) -> None:
        self._tasks, self._closing = tasks, closing
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def tend(self) -> None:
        """Run every task once."""
        for task in self._tasks:
            task()

    def join(self) -> None:
        """Wait until the thread has ended."""
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(INTERVAL_S):
            self.tend()
