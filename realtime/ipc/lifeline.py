"""Notice of the parent's end, for a child process: its standard input, a pipe from the parent, is closed.

The operating system closes the pipe however the parent ends, on every system, without polling or signals.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable


def on_parent_exit(callback: Callable[[], None]) -> threading.Thread:
    """Call a function once the parent has ended or has closed its end of the pipe.

    Parameters
    ----------
    callback
        Called in a thread of its own.

    Returns
    -------
    thread : threading.Thread
        The daemon thread that waits.
    """
    descriptor = sys.stdin.fileno()

    def wait() -> None:
        try:
            while os.read(descriptor, 1024):
                pass
        except OSError:
            pass
        callback()

    thread = threading.Thread(target=wait, name="lifeline", daemon=True)
    thread.start()
    return thread
