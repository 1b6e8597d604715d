"""The window's process. It only reads, so nothing depends on it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

CLOSE_TIMEOUT_S = 1.0


@contextlib.contextmanager
def open_window(segment: str) -> Iterator[None]:
    """Open the window of a session, and close it at the end.

    Parameters
    ----------
    segment
        The name of the stream's shared memory.
    """
    process = subprocess.Popen([sys.executable, "-m", "gui", segment], stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield
    finally:
        _close(process)


def _close(process: subprocess.Popen[bytes]) -> None:
    """End a process by closing the pipe it depends on; kill it if that has no effect."""
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(CLOSE_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
