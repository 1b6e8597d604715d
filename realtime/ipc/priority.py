"""Priority for the threads that make sound and receive control, if the system grants it."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading

DECK_PRIORITY = 20  # below the threads of audio server and device, above everything else
DEVICE_PRIORITY = 30  # of the null device's thread
SWITCH_INTERVAL_S = 5e-4

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


def request_realtime(level: int = DECK_PRIORITY) -> int:
    """Request real-time scheduling for this thread.

    Linux grants it to members of the group that /etc/security/limits.d names (`audio` or `realtime`). Elsewhere the
    process is put into the highest class that needs no privilege.

    Parameters
    ----------
    level
        Priority of `SCHED_FIFO`, 1 to 99.

    Returns
    -------
    level : int
        The priority that was granted, 0 for none.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(level))
            return level
    elif sys.platform == "win32":
        import ctypes

        high_priority_class = 0x00000080
        kernel = ctypes.windll.kernel32
        kernel.SetPriorityClass(kernel.GetCurrentProcess(), high_priority_class)
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(-10)
    return 0


def drop_priority() -> None:
    """Return to ordinary priority before the process ends: freeing its memory occupies a core for a while."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def raise_thread_priority(niceness: int = -15) -> None:
    """Give this thread, which receives controls, priority over ordinary ones but not over audio.

    It gets no real-time priority, because a flood of messages must not take a core from the decks.

    Parameters
    ----------
    niceness
        -20 to 19; lower goes first.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)


def reduce_pauses() -> None:
    """Shorten the pauses of this process, which would delay notes; call it when everything is loaded.

    A garbage collection over all of a host's objects takes 40 ms and more, so those that exist now are collected once
    and then exempted. And a thread that waits for the interpreter gets it after 0.5 ms instead of 5.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_INTERVAL_S)


def lock_memory() -> bool:
    """Lock the pages that this process has touched, and those to come, in memory.

    Without it, code that hasn't run for a while may have to be read from disk in the middle of a hop.

    Returns
    -------
    locked : bool
        Whether the system granted it.
    """
    if sys.platform != "linux":
        return False
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        flags = _MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT
        return ctypes.CDLL(None, use_errno=True).mlockall(flags) == 0
    return False
