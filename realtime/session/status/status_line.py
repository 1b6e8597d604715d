"""The line that `glitch-live` shows while it plays."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable

from realtime.session.notices import Notices
from realtime.session.status.status import MIN_DB, Status

REDRAW_S = 0.25
PLAIN_S = 5.0  # between lines where the output isn't a terminal


class StatusLine:
    """Prints notes and the status: one line redrawn in a terminal, a line every 5 s elsewhere.

    Parameters
    ----------
    notes
        Sentences to print as they come.
    status
        Returns the current status.
    """

    def __init__(self, notes: Notices, status: Callable[[], Status]) -> None:
        self._notes, self._status = notes, status
        self._terminal = sys.stdout.isatty()
        self._shown = 0.0
        self._messages = (time.monotonic(), 0)
        self._rate = 0.0
        self._printed = 0

    def update(self) -> None:
        """Print new notes, and the status if it is time."""
        now = time.monotonic()
        for note in self._new_notes():
            if self._terminal:
                print("\r\x1b[2K", end="")
            print(note, flush=True)
        if now - self._shown < (REDRAW_S if self._terminal else PLAIN_S):
            return
        self._shown = now
        status = self._status()
        before, messages = self._messages
        if now - before >= 1.0:
            self._rate = (status.osc_messages - messages) / (now - before)
            self._messages = (now, status.osc_messages)
        line = text(status, self._rate)
        if self._terminal:
            width = shutil.get_terminal_size().columns
            print(f"\r\x1b[2K{line[: width - 1]}", end="", flush=True)
        else:
            print(line, flush=True)

    def close(self) -> None:
        """Keep the last line on the screen."""
        if self._terminal:
            print(flush=True)

    def print_rest(self) -> None:
        """Print the notes that came after the last update."""
        for note in self._new_notes():
            print(note)

    def _new_notes(self) -> list[str]:
        new = self._notes.since(self._printed)
        self._printed = self._notes.total
        return new


def text(status: Status, messages_per_s: float) -> str:
    """Format a status as a line."""
    level = "silent" if status.level_db <= MIN_DB else f"{status.level_db:.1f} dBFS"
    problems = {
        "device underruns": status.device_underruns,
        "bad OSC": status.osc_bad,
        "unknown OSC": status.osc_unknown,
        "not numbers": status.nonfinite,
    }
    parts = [
        f"underruns {status.underruns}",
        level,
        f"load {100 * status.load:.0f} % (worst {100 * status.worst_load:.0f})",
        f"latency {status.total_ms:.1f} ms",
        f"OSC {messages_per_s:.0f}/s",
        *(f"{name} {count}" for name, count in problems.items() if count),
        latency_text(status.latency_ms),
        status.device,
    ]
    return " | ".join(parts)  # the most important comes first, since a narrow terminal cuts the end


def latency_text(latency_ms: dict[str, float]) -> str:
    """Format the parts of the latency."""
    short = {"wait for the next frame": "hop", "decoded ahead": "ahead"}
    return " + ".join(f"{short.get(name, name)} {ms:.1f}" for name, ms in latency_ms.items())
