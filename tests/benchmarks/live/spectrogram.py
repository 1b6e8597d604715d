"""spectrogram: time and processor time of a frame of the spectrogram drawn with QPainter, beside pyqtgraph's ImageItem.

`{"qpainter": {"ms", "cpu_ms"}, "pyqtgraph": {"ms", "cpu_ms"}, "ratio", "cpu_ratio", "same_pixels", "columns_a_frame",
"width", "height"}`. Both draw the same picture in a window of its own on a virtual screen (Xvfb, without a GPU), in
turns. For each frame, two new columns are written into the same ring, as at 47 frames a second, and the window is
repainted and flushed to the X server, which is waited for. `ms` is the median wall time of a frame, `cpu_ms` the mean
processor time of all threads of the process. `ratio` is pyqtgraph's `ms` over QPainter's, median of the rounds, and
`cpu_ratio` the same of `cpu_ms`; above 1, QPainter is faster.

QPainter is the window's own panel (`gui.panels.spectrogram`), which also draws its grid. pyqtgraph is an `ImageItem`
with the same colours in a bare `GraphicsView`, without axes and grid, one data point a pixel: the least that it can do.
`same_pixels` is the share of equal pixels in both pictures; only the grid lines differ.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.benchmarks.support.job import Figures, Job

WIDTH, HEIGHT = 1280, 440
QUICK_S, FULL_S = 4, 20
COLUMNS_A_FRAME = 2
ROUNDS, QUICK_ROUNDS = 9, 3
FRAMES, QUICK_FRAMES = 200, 20
RATE = 48_000
Draw = Callable[[], None]


def run(job: Job) -> Figures:
    """Draw on a screen of its own."""
    from tests.gui.display import Screen

    with Screen(WIDTH, 2 * HEIGHT) as screen:
        return job.in_process(measure, environment=screen.environment)


def describe(result: Figures) -> str:
    """Return the costs of both, and their ratios."""
    ours, other = result["qpainter"], result["pyqtgraph"]
    return (
        f"QPainter {ours['ms']:.2f} ms a frame ({ours['cpu_ms']:.2f} ms of a core), pyqtgraph {other['ms']:.2f} ms "
        f"({other['cpu_ms']:.2f}): {result['ratio']:.2f} times, {result['cpu_ratio']:.2f} times the processor time, at "
        f"{result['width']}×{result['height']}; {100 * result['same_pixels']:.1f} % of the pixels are the same"
    )


def measure(job: Job) -> Figures:
    """Draw with both, in turns."""
    from PyQt6.QtWidgets import QApplication

    application = QApplication(["spectrogram"])
    panel, draw_panel = _qpainter()
    panel.show()
    application.processEvents()  # it takes its size, and makes its ring
    plot, ring = panel.plot, panel.ring
    view, draw_view = _pyqtgraph(ring, plot.width(), plot.height())
    application.processEvents()
    columns = np.random.default_rng(0).integers(0, 256, (plot.height(), 4096)).astype(np.uint8)
    ring.put(0, columns)
    for draw in (draw_panel, draw_view):  # so that neither draws for the first time in its measurement
        draw()
    frames, rounds = job.choose(QUICK_FRAMES, FRAMES), job.choose(QUICK_ROUNDS, ROUNDS)
    figures: dict[str, list[tuple[float, float]]] = {"qpainter": [], "pyqtgraph": []}
    for k in range(rounds):
        job.progress(f"round {k + 1} of {rounds}")
        for name, draw in (("qpainter", draw_panel), ("pyqtgraph", draw_view)):
            figures[name].append(_cost(ring, columns, draw, frames))
    draw_panel()
    draw_view()
    ours = _pixels(panel.grab(plot).toImage())
    other = _pixels(view.grab().toImage())
    result: Figures = {
        name: {
            "ms": round(statistics.median(ms for ms, _ in costs), 3),
            "cpu_ms": round(statistics.median(cpu for _, cpu in costs), 3),
        }
        for name, costs in figures.items()
    }
    pairs = list(zip(figures["pyqtgraph"], figures["qpainter"], strict=True))
    return result | {
        "ratio": round(statistics.median(b[0] / a[0] for b, a in pairs), 2),
        "cpu_ratio": round(statistics.median(b[1] / a[1] for b, a in pairs), 2),
        "same_pixels": round(float((ours == other).mean()), 4),
        "columns_a_frame": COLUMNS_A_FRAME,
        "width": plot.width(),
        "height": plot.height(),
    }


def _qpainter() -> tuple[Any, Draw]:
    """Make the window's panel, without a session."""
    from PyQt6.QtGui import QGuiApplication

    from gui.panels.spectrogram import Spectrogram

    host: Any = SimpleNamespace(rate=RATE, clock=0, history=np.zeros((1 << 15, 2), np.float32))
    panel = Spectrogram(host)
    panel.resize(WIDTH, HEIGHT)

    def draw() -> None:
        panel.repaint(panel.plot)
        QGuiApplication.sync()

    return panel, draw


def _pyqtgraph(ring: Any, width: int, height: int) -> tuple[Any, Draw]:
    """Make a view of the same ring."""
    import pyqtgraph
    from PyQt6.QtCore import QRectF
    from PyQt6.QtGui import QGuiApplication

    from gui import style

    view = pyqtgraph.GraphicsView(background=None)
    view.setFixedSize(width, height)
    view.show()
    QGuiApplication.processEvents()
    view.setRange(QRectF(0, 0, width, height), padding=0)
    view.resetTransform()  # a data point a pixel: the range alone would leave a margin of two pixels, and scale
    colours = style.heat_colours()
    table = np.stack([colours >> 16 & 255, colours >> 8 & 255, colours & 255], axis=1).astype(np.uint8)
    image = pyqtgraph.ImageItem(axisOrder="row-major", lut=table, levels=(0, 255))
    view.addItem(image)

    def draw() -> None:
        image.setImage(ring.latest(width), autoLevels=False)
        view.viewport().repaint()
        QGuiApplication.sync()

    return view, draw


def _cost(ring: Any, columns: np.ndarray, draw: Draw, frames: int) -> tuple[float, float]:
    """Draw frames, and return the median wall time and the mean processor time of one, ms."""
    walls = []
    cpu = time.process_time()
    for _ in range(frames):
        began = time.perf_counter()
        first = ring.head
        ring.put(first, columns[:, first % 4000 : first % 4000 + COLUMNS_A_FRAME])
        draw()
        walls.append(time.perf_counter() - began)
    return 1e3 * statistics.median(walls), 1e3 * (time.process_time() - cpu) / frames


def _pixels(image: Any) -> np.ndarray:
    """Return the colours of an image [shape=(height, width), dtype=uint32]."""
    from PyQt6.QtGui import QImage

    image = image.convertToFormat(QImage.Format.Format_RGB32)
    data = np.frombuffer(image.constBits().asstring(image.sizeInBytes()), np.uint32)
    return data.reshape(image.height(), image.bytesPerLine() // 4)[:, : image.width()]
