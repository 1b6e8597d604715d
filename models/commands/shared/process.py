"""The process of a command: its command line, and its end by a signal."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


def command_line() -> str:
    """Return the command line, for provenance."""
    return shlex.join(["glitch-lab", *sys.argv[1:]])


@contextmanager
def sigterm_as_exit() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that unfinished files are removed."""

    def end(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
