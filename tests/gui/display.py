"""A virtual screen with a simulated mouse and keyboard."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Self


class Screen:
    """An X server without a monitor, on a free display; stopped by its process id."""

    def __init__(self, width: int = 1280, height: int = 800) -> None:
        self._size = f"{width}x{height}x24"

    def __enter__(self) -> Self:
        for program in ("Xvfb", "xdotool"):  # a missing program is a failure, not a skipped test
            if shutil.which(program) is None:
                raise RuntimeError(f"{program} is not installed; install the package {program.lower()}.")
        command = ["Xvfb", "-displayfd", "1", "-screen", "0", self._size, "-nolisten", "tcp"]
        self._server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self._server.stdout is not None
        self.display = f":{int(self._server.stdout.readline())}"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server.stdout is not None
        self._server.terminate()
        self._server.wait(10)
        self._server.stdout.close()

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process that draws on this screen."""
        return {**os.environ, "DISPLAY": self.display, "QT_QPA_PLATFORM": "xcb"}

    def do(self, *arguments: object) -> None:
        """Move the mouse or press keys with xdotool."""
        subprocess.run(["xdotool", *map(str, arguments)], env=self.environment, check=True, stdout=subprocess.DEVNULL)

    def drag(self, start: tuple[int, int], end: tuple[int, int], *, steps: int = 10) -> None:
        """Drag with the left button, in steps at the speed of a hand."""
        words: list[object] = ["mousemove", *start, "mousedown", 1]
        for k in range(1, steps + 1):
            at = (round(a + (b - a) * k / steps) for a, b in zip(start, end, strict=True))
            words += ["mousemove", *at, "sleep", 0.01]
        self.do(*words, "mouseup", 1)
