"""How a child process learns that its parent is gone: its standard input, a pipe that the parent holds, ends.

The operating system closes the pipe however the parent ends, on every system, without polling and without signals.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable


def on_parent_exit(call: Callable[[], None]) -> threading.Thread:
    """Call `call` from a thread of its own once the parent has ended or closed its end of the pipe."""
    descriptor = sys.stdin.fileno()

    def wait() -> None:
        try:
            while os.read(descriptor, 1024):
                pass
        except OSError:
            pass
        call()

    thread = threading.Thread(target=wait, name="lifeline", daemon=True)
    thread.start()
    return thread
