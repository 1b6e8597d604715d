"""The program of the window: `python -m gui SEGMENT` shows a running session."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import stat
import sys
import traceback
from types import TracebackType

from PyQt6.QtWidgets import QApplication

from export.errors import GlitchError
from gui import style
from gui.host_memory import HostMemory
from gui.window import Window
from realtime.ipc.lifeline import on_parent_exit

_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")


def main(arguments: list[str]) -> int:
    """Show the session with the given stream segment, until it ends or the window is closed; return the exit status."""
    if len(arguments) != 1:
        print("Usage: python -m gui SEGMENT   (glitch-live opens it automatically)", file=sys.stderr)
        return 2
    if sys.platform == "linux" and not any(os.environ.get(key) for key in _SCREENS):
        print("There is no screen for the window (DISPLAY is not set); use --headless.", file=sys.stderr)
        return 1
    try:
        host = HostMemory(arguments[0])
    except GlitchError as error:
        print(error, file=sys.stderr)
        return 1
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(5)  # audio has priority
    sys.excepthook = _Reporter()  # with an own hook, errors in slots are printed and the window stays open
    application = QApplication(["glitch-live"])
    style.apply_style(application)
    window = Window(host)
    if sys.stdin is not None and _is_pipe(sys.stdin.fileno()):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the host, and the window follows
        on_parent_exit(window.host_ended.emit)
    else:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    window.show()
    gc.freeze()
    code = application.exec()
    host.close()
    return code


def _is_pipe(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


class _Reporter:
    """Prints each error once; a timer could repeat it sixty times a second."""

    def __init__(self) -> None:
        self._printed: set[str] = set()

    def __call__(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        text = "".join(traceback.format_exception(kind, error, trace))
        if text not in self._printed:
            self._printed.add(text)
            sys.stderr.write(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
