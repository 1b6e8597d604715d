"""The live spectrogram of the output, which scrolls with the clock."""
# ruff: noqa: N802 (Qt's names)

from __future__ import annotations

import numpy as np
from PyQt6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, Qt
from PyQt6.QtGui import QColor, QEnterEvent, QImage, QLinearGradient, QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PyQt6.QtWidgets import QSizePolicy, QWidget

from gui import style
from gui.host_memory import HostMemory
from gui.viewmodels.spectrum import CEILING_DB, FLOOR_DB, ColumnRing, FrequencyAxis, HistoryReader, SpectrumAnalysis

CAPACITY = 4096  # columns, more than any window shows
MAX_COLUMNS_PER_FRAME = 48  # limit while catching up, so that the window stays responsive

_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 58, 10, 26
_MARKS = (
    (50, "50"),
    (100, "100"),
    (200, "200"),
    (500, "500"),
    (1000, "1k"),
    (2000, "2k"),
    (5000, "5k"),
    (10_000, "10k"),
)
_GRID = QColor(255, 255, 255, 26)
_EDGE = 9  # space of a label above and below its line, pixels


class Spectrogram(QWidget):
    """A spectrogram with one column of pixels for each column of the analysis, the latest on the right."""

    def __init__(self, host: HostMemory) -> None:
        super().__init__()
        self.setMinimumSize(360, 160)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMouseTracking(True)
        self.setAccessibleName("Spectrogram of the output")
        self.setCursor(Qt.CursorShape.CrossCursor)
        self._host = host
        self._pointer: QPoint | None = None
        self._colours = [int(colour) for colour in style.heat_colours()]
        self._rate = host.rate
        self._build(ColumnRing(64, CAPACITY))

    def _build(self, ring: ColumnRing) -> None:
        width = min(max(self.width() - _LEFT - _RIGHT, 16), CAPACITY)
        self.plot = QRect(self.width() - _RIGHT - width, _TOP, width, max(self.height() - _TOP - _BOTTOM, 16))
        self.analysis = SpectrumAnalysis(self._rate, FrequencyAxis(self.plot.height()))
        self.axis = self.analysis.axis
        self.reader = HistoryReader(self._host.history, self.analysis.n_fft, self.analysis.hop)
        self.ring = ring.resized(self.plot.height())
        self.reader.next = self.ring.head
        self._marks = self._frequency_marks()
        rows, width = self.ring.pixels.shape
        self._image = QImage(self.ring.pixels.data, width, rows, width, QImage.Format.Format_Indexed8)  # type: ignore[call-overload]
        self._image.setColorTable(self._colours)

    def advance(self) -> None:
        """Add the output since the last call."""
        if self._host.rate != self._rate:
            self._rate = self._host.rate
            self._build(ColumnRing(64, CAPACITY))
            self.update()
        taken = self.reader.take(self._host.clock, MAX_COLUMNS_PER_FRAME)
        if taken is not None:
            first, samples = taken
            self.ring.put(first, self.analysis.columns(samples))
            self.update(self.plot)

    def shown(self) -> np.ndarray:
        """Return the visible colour indices: uint8 [shape=(rows, width)], row 0 on top."""
        return self.ring.latest(self.plot.width())

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Adapt the number of rows to the height in pixels."""
        self._build(self.ring)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Move the readout to the pointer."""
        if event is not None:
            self._pointer = event.position().toPoint()
            self.update(self.plot)

    def enterEvent(self, event: QEnterEvent | None) -> None:
        """Show the readout."""
        self.update(self.plot)

    def leaveEvent(self, event: QEvent | None) -> None:
        """Hide the readout."""
        self._pointer = None
        self.update(self.plot)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the picture; the axes only if they need repainting."""
        painter = QPainter(self)
        if event is None or not self.plot.contains(event.rect()):
            style.draw_panel(painter, self.rect())
            self._paint_axes(painter)
        width = self.plot.width()
        painter.drawImage(self.plot.topLeft(), self._image, QRect(self.ring.start(width), 0, width, self.plot.height()))
        self._paint_grid(painter)
        if self._pointer is not None and self.plot.contains(self._pointer):
            self._paint_readout(painter, self._pointer)

    def _paint_grid(self, painter: QPainter) -> None:
        for y, _ in self._marks:
            painter.fillRect(self.plot.left(), y, self.plot.width(), 1, _GRID)

    def _frequency_marks(self) -> list[tuple[int, str]]:
        marks = [*_MARKS, (20_000, "20k")] if self.axis.high > 19_999 else _MARKS
        inside = [(self.axis.row(hz), text) for hz, text in marks if self.axis.low <= hz <= self.axis.high]
        last = self.plot.height() - 1
        return [(self.plot.top() + min(round(y), last), text) for y, text in inside]

    def _paint_axes(self, painter: QPainter) -> None:
        plot = self.plot
        painter.setFont(style.font(14))
        painter.setPen(style.DIM)
        for y, text in self._marks:
            painter.drawText(QRect(plot.left() - _LEFT, max(y, _EDGE) - 10, _LEFT - 9, 20), _RIGHT_MIDDLE, text)
        self._paint_times(painter)
        bar = QRectF(plot.right() + 11, plot.top(), 8, plot.height())
        shades = QLinearGradient(bar.topLeft(), bar.bottomLeft())
        for k in range(17):
            shades.setColorAt(k / 16, QColor.fromRgb(self._colours[255 - k * 255 // 16]))
        painter.fillRect(bar, shades)
        painter.setPen(style.DIM)
        for level in range(-20, int(FLOOR_DB), -20):
            y = round(bar.top() + bar.height() * (CEILING_DB - level) / (CEILING_DB - FLOOR_DB))
            painter.drawText(QRectF(bar.right() + 4, y - 10, _RIGHT, 20), _LEFT_MIDDLE, f"−{-level}")
        painter.setFont(style.font(12))
        painter.setPen(style.FAINT)
        painter.drawText(QRectF(bar.right() + 4, bar.top() - 3, 40, 20), _LEFT_MIDDLE, "dBFS")
        painter.drawText(QRect(plot.left() - _LEFT, plot.bottom() + 3, _LEFT - 9, 20), _RIGHT_MIDDLE, "Hz")

    def _paint_times(self, painter: QPainter) -> None:
        plot = self.plot
        per_second = self._rate / self.analysis.hop
        shown_s = plot.width() / per_second
        step = next((s for s in (1, 2, 5, 10, 20) if shown_s / s <= 8), 30)
        for k in range(int(shown_s / step) + 1):
            x = plot.right() - round(k * step * per_second)
            painter.fillRect(QRect(x, plot.bottom() + 1, 1, 4), style.FAINT)
            text = "now" if k == 0 else f"−{k * step} s"
            box = QRect(x - 40, plot.bottom() + 4, 80, 20)
            if box.left() > plot.left():
                painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)

    def _paint_readout(self, painter: QPainter, at: QPoint) -> None:
        row, column = at.y() - self.plot.top(), at.x() - self.plot.left()
        hz = float(self.axis.frequency(row + 0.5))
        level = FLOOR_DB + float(self.shown()[row, column]) * (CEILING_DB - FLOOR_DB) / 255
        painter.setPen(QColor(255, 255, 255, 90))
        painter.drawLine(self.plot.left(), at.y(), self.plot.right(), at.y())
        pitch = f"{hz / 1000:.2f} kHz" if hz >= 1000 else f"{hz:.0f} Hz"
        text = f"{pitch}   {level:.0f} dB".replace("-", "−")
        painter.setFont(style.font(15, bold=True))
        size = painter.fontMetrics().size(0, text)
        box = QRectF(at.x() + 12.0, at.y() - 34.0, size.width() + 18.0, 26.0)
        box.moveRight(min(box.right(), self.plot.right() - 4.0))
        box.moveTop(max(box.top(), self.plot.top() + 4.0))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(10, 11, 16, 215))
        painter.drawRoundedRect(box, 6, 6)
        painter.setPen(style.TEXT)
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
        painter.drawEllipse(QPointF(at), 2.5, 2.5)


_RIGHT_MIDDLE = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT_MIDDLE = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
