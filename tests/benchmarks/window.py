"""How smoothly the window draws, and what that takes: at 1280 by 800 on a virtual screen, so all in software.

Measured against a stand-in for the host, which writes music into the history in real time and moves sixteen latents;
the window itself is a process of its own, as on stage. `fps` counts paints of the spectrogram a second, `cpu_share` is
the window's processor time over the time that passed (1.0 is one core).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 1280, 800
WARM_UP_S, SECONDS = 2.0, 10.0


def run() -> dict[str, Any]:
    """Open the window, let it settle, and measure for ten seconds."""
    from tests.gui.display import Screen
    from tests.gui.standin import StandIn, music
    from tests.reference import level_model

    with tempfile.TemporaryDirectory() as folder, Screen(WIDTH, HEIGHT) as screen:
        model = level_model(Path(folder) / "level.onnx", latents=16)
        with StandIn(model, Path(folder), sound=music(6.0)) as host:
            command = [sys.executable, "-m", "tests.benchmarks.window", host.name]
            done = subprocess.run(command, env=screen.environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def describe(result: dict[str, Any]) -> str:
    """Say it in a sentence."""
    return (
        f"The window draws {result['fps']:.1f} frames/s at {result['width']}×{result['height']} "
        f"and takes {result['cpu_share']:.0%} of a core."
    )


def _measure(segment: str) -> dict[str, Any]:
    from PyQt6.QtCore import QEvent, QObject, QTimer
    from PyQt6.QtWidgets import QApplication

    from gui import style
    from gui.host import Host
    from gui.window import Window

    class Paints(QObject):
        count = 0

        def eventFilter(self, _: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 (Qt's name)
            self.count += event is not None and event.type() == QEvent.Type.Paint
            return False

    application = QApplication(["window"])
    style.dress(application)
    host = Host(segment)
    window = Window(host)
    window.resize(WIDTH, HEIGHT)
    window.show()
    paints = Paints()
    window.spectrogram.installEventFilter(paints)
    marks: list[tuple[float, float, int]] = []

    def mark() -> None:
        marks.append((time.monotonic(), time.process_time(), paints.count))

    QTimer.singleShot(round(1000 * WARM_UP_S), mark)
    QTimer.singleShot(round(1000 * (WARM_UP_S + SECONDS)), lambda: (mark(), application.quit()))
    application.exec()
    (began, cpu, painted), (ended, cpu_end, painted_end) = marks
    size = window.size()
    window.close()
    host.close()
    return {
        "fps": (painted_end - painted) / (ended - began),
        "cpu_share": (cpu_end - cpu) / (ended - began),
        "width": size.width(),
        "height": size.height(),
    }


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1])))
