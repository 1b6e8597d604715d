"""Watches for stalls: times when the machine itself kept even the most urgent thread from running.

`python -m tests.benchmarks.support.stall_watch CPU` is a thread on one core, of a real-time priority above the decks'.
It wakes up a thousand times a second and prints, when its input ends, a list of `[when, seconds]`: the wake-ups that
came later than `LATE_S`, by `time.monotonic`, and how late.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from realtime.ipc.priority import DECK_PRIORITY, request_realtime

if TYPE_CHECKING:
    from realtime import Session

EVERY_S, LATE_S = 0.001, 0.002
UNDERRUNS_EVERY_S = 0.005


class StallWatch:
    """Watches every core for stalls, and a session for underruns, while the context lasts.

    Attributes
    ----------
    figures
        After the context: underruns of the decks since `begin`, how many of them came within `NEAR_S` of a stall, the
        number of stalls and the longest.
    late
        After the context: each stall's end (`time.monotonic`) and length, s.
    """

    NEAR_S = 0.03

    def __init__(self, session: Session) -> None:
        self._session = session
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", __name__, str(cpu)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for cpu in sorted(os.sched_getaffinity(0))
        ]
        self._underran: list[float] = []
        self._began = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.figures: dict[str, Any] = {}
        self.late: list[tuple[float, float]] = []

    def begin(self) -> None:
        """Count from now on."""
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        late = [(at, s) for process in self._processes for at, s in json.loads(process.communicate("")[0] or "[]")]
        late = self.late = [(at, s) for at, s in late if at >= self._began]
        underran = [when for when in self._underran if when >= self._began]
        near = [any(at - s - self.NEAR_S < when < at + self.NEAR_S for at, s in late) for when in underran]
        self.figures = {
            "underruns": len(near),
            "underruns_in_stalls": sum(near),
            "stalls": len(late),
            "longest_stall_ms": round(1e3 * max((s for _, s in late), default=0.0), 1),
        }

    def _watch(self) -> None:
        before = self._session.status().underruns
        while not self._stop.wait(UNDERRUNS_EVERY_S):
            now = self._session.status().underruns
            self._underran += [time.monotonic()] * (now - before)
            before = now


def main(cpu: int) -> None:
    """Watch until the input ends."""
    ended = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    os.sched_setaffinity(0, {cpu})
    request_realtime(DECK_PRIORITY + 5)
    late = []
    before = time.monotonic()
    while not ended.is_set():
        time.sleep(EVERY_S)
        now = time.monotonic()
        if now - before - EVERY_S > LATE_S:
            late.append((now, now - before - EVERY_S))
        before = now
    print(json.dumps(late))


if __name__ == "__main__":
    main(int(sys.argv[1]))
