"""The line that `glitch-live` shows while it plays."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realtime.session.session import Session
    from realtime.session.status import Status

REDRAW_S = 0.25
PLAIN_S = 5.0  # between lines where the output is no terminal


class StatusLine:
    """Shows a session's status: one line redrawn in a terminal, a line now and then elsewhere."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._terminal = sys.stdout.isatty()
        self._shown = 0.0
        self._messages = (time.monotonic(), 0)
        self._rate = 0.0
        self.told = 0

    def update(self) -> None:
        """Show what is new, if it is time."""
        now = time.monotonic()
        new = self._session.said - self.told
        for note in self._session.notes[-new:] if new else ():
            self._clear()
            print(note, flush=True)
        self.told += new
        if now - self._shown < (REDRAW_S if self._terminal else PLAIN_S):
            return
        self._shown = now
        status = self._session.status()
        before, messages = self._messages
        if now - before >= 1.0:
            self._rate = (status.osc_messages - messages) / (now - before)
            self._messages = (now, status.osc_messages)
        line = text(status, self._rate)
        if self._terminal:
            import shutil

            width = shutil.get_terminal_size().columns
            print(f"\r\x1b[2K{line[: width - 1]}", end="", flush=True)
        else:
            print(line, flush=True)

    def close(self) -> None:
        """Leave the last line standing."""
        if self._terminal:
            print(flush=True)

    def _clear(self) -> None:
        if self._terminal:
            print("\r\x1b[2K", end="")


def text(status: Status, messages_per_s: float) -> str:
    """Write a status as a line."""
    level = "silent" if status.level_db <= -80 else f"{status.level_db:.1f} dBFS"
    wrong = {
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
        *(f"{name} {count}" for name, count in wrong.items() if count),
        breakdown(status.latency_ms),
        status.device,
    ]
    return " | ".join(parts)  # what matters most comes first, since a narrow terminal cuts the end


def breakdown(latency_ms: dict[str, float]) -> str:
    """Write the parts of the latency shortly."""
    short = {"wait for the next frame": "hop", "decoded ahead": "ahead"}
    return " + ".join(f"{short.get(name, name)} {ms:.1f}" for name, ms in latency_ms.items())
