"""window: frames a second of the window at 1280 by 800, drawn in software on a virtual screen, and its share of a core.

`{"fps", "cpu_share", "width", "height"}`. A stand-in for the host writes music into the history in real time and moves
sixteen latents; the window is a process of its own, as on stage. `fps` counts paints of the spectrogram a second,
`cpu_share` is the window's processor time over wall time (1.0 is one core).
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.benchmarks.support.job import Figures, Job

WIDTH, HEIGHT = 1280, 800
QUICK_S, FULL_S = 6, 16
WARM_UP_S, SECONDS = 2.0, 10.0
QUICK_WARM_UP_S, QUICK_SECONDS = 0.5, 2.0


def run(job: Job) -> Figures:
    """Open the window, let it settle, and measure."""
    from tests.gui.display import Screen
    from tests.gui.fake_host import FakeHost, music
    from tests.reference import level_model

    with tempfile.TemporaryDirectory() as folder, Screen(WIDTH, HEIGHT) as screen:
        model = level_model(Path(folder) / "level.onnx", latents=16)
        with FakeHost(model, Path(folder), sound=music(6.0)) as host:
            return job.in_process(measure, host.name, environment=screen.environment)


def describe(result: Figures) -> str:
    """Return the frame rate and the share of a core."""
    return (
        f"The window draws {result['fps']:.1f} frames/s at {result['width']}×{result['height']} "
        f"and takes {result['cpu_share']:.0%} of a core."
    )


def measure(job: Job, segment: str) -> Figures:
    """Draw the window of a stream's segment, and count its frames."""
    from PyQt6.QtCore import QEvent, QObject, QTimer
    from PyQt6.QtWidgets import QApplication

    from gui import style
    from gui.host_memory import HostMemory
    from gui.window import Window

    class Paints(QObject):
        count = 0

        def eventFilter(self, _: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 (Qt's name)
            self.count += event is not None and event.type() == QEvent.Type.Paint
            return False

    application = QApplication(["window"])
    style.apply_style(application)
    host = HostMemory(segment)
    window = Window(host)
    window.resize(WIDTH, HEIGHT)
    window.show()
    paints = Paints()
    window.spectrogram.installEventFilter(paints)
    marks: list[tuple[float, float, int]] = []

    def mark() -> None:
        marks.append((time.monotonic(), time.process_time(), paints.count))

    def finish() -> None:
        mark()
        application.quit()

    warm_up_s, seconds = job.choose(QUICK_WARM_UP_S, WARM_UP_S), job.choose(QUICK_SECONDS, SECONDS)
    QTimer.singleShot(round(1000 * warm_up_s), mark)
    QTimer.singleShot(round(1000 * (warm_up_s + seconds)), finish)
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
