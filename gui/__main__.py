"""Open the window on a running session: `python -m gui SEGMENT`."""

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
from gui.host import Host
from gui.window import Window
from realtime.ipc.lifeline import on_parent_exit

_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")


def main(arguments: list[str]) -> int:
    """Show the session whose stream segment is named, until it ends or the window is closed."""
    if len(arguments) != 1:
        print("Usage: python -m gui SEGMENT   (glitch-live opens it by itself)", file=sys.stderr)
        return 2
    if sys.platform == "linux" and not any(os.environ.get(key) for key in _SCREENS):
        print("There is no screen to open a window on (DISPLAY is not set); play with --headless.", file=sys.stderr)
        return 1
    try:
        host = Host(arguments[0])
    except GlitchError as error:
        print(error, file=sys.stderr)
        return 1
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(5)  # the sound comes first
    sys.excepthook = _Reporter()  # with a hook of our own, an error in a slot is printed and the window lives on
    application = QApplication(["glitch-live"])
    style.dress(application)
    window = Window(host)
    if sys.stdin is not None and _is_pipe(sys.stdin.fileno()):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the host, and the host's end is ours
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
    """Prints an error once; the timer would say it again sixty times a second."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def __call__(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        text = "".join(traceback.format_exception(kind, error, trace))
        if text not in self._said:
            self._said.add(text)
            sys.stderr.write(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
