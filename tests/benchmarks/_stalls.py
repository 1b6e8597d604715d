"""A thread of real-time priority above the decks', held on one core: what keeps it waiting is the machine itself.

`python -m tests.benchmarks._stalls CPU` wakes up a thousand times a second and prints, when its input ends, a list of
`[when, seconds]`: the wake-ups that came later than `LATE_S`, by `time.monotonic`, and how late.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time

from realtime.ipc.priority import DECK_PRIORITY, request_realtime

EVERY_S, LATE_S = 0.001, 0.002


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
