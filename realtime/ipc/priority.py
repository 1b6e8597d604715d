"""Priority for the threads that sound and control wait for, where the system grants it."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading

DECK_PRIORITY = 20  # below the audio server's and device's threads, above everything else
DEVICE_PRIORITY = 30  # the null device's own thread
SWITCH_S = 5e-4

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


def request_realtime(level: int = DECK_PRIORITY) -> int:
    """Ask for real-time scheduling of this thread; give the priority got, 0 for none.

    Linux grants it to members of the group that /etc/security/limits.d names (`audio` or `realtime`). Elsewhere the
    process is put into the highest class that needs no privilege, and 0 is given.
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
    """Go behind everybody who plays: a process that ends has memory to free, and that takes a core for a while."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def raise_thread_priority(niceness: int = -15) -> None:
    """Let this thread go before ordinary ones, but never before audio: for what receives controls.

    Real-time priority would be wrong here: a flood of messages must not take a core from the decks.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)


def reduce_pauses() -> None:
    """Keep this process from pauses in which no key is heard, now that it has all that it needs.

    Collecting garbage among all that a host has loaded takes 40 ms and more, so what is there now is looked at once and
    never again. And a thread that waits for the interpreter gets it within half a millisecond, not five.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_S)


def lock_memory() -> bool:
    """Keep the pages that this process has touched from being taken away again; say whether the system agreed.

    Without it a page of code that wasn't run for a while may have to come back from the disk, in the middle of a hop.
    """
    if sys.platform != "linux":
        return False
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        flags = _MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT
        return ctypes.CDLL(None, use_errno=True).mlockall(flags) == 0
    return False
