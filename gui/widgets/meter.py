"""The level meter: peak, held peak and RMS, one bar for each channel."""
# ruff: noqa: N802 (Qt's names)

from __future__ import annotations

import math

import numpy as np
from PyQt6.QtCore import QPointF, QRect, QRectF, Qt
from PyQt6.QtGui import QColor, QLinearGradient, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap, QResizeEvent
from PyQt6.QtWidgets import QSizePolicy, QWidget

from gui import style
from gui.viewmodels.readings import DASH, QUIET_DB, Level
from gui.viewmodels.telemetry import Telemetry

# Scale of a peak programme meter (after IEC 60268-18): the top 20 dB take half of it.
_DB = (-60.0, -50.0, -40.0, -30.0, -20.0, -10.0, 0.0)
_PLACE = (0.0, 0.06, 0.14, 0.27, 0.46, 0.72, 1.0)
_MARKS = (0, -3, -6, -10, -20, -30, -40, -50)
_ROOM = 16  # minimum distance of marks, pixels
_TOP, _BOTTOM = 74, 28
_BARS = 54.0  # width of all bars, pixels


class LevelMeter(QWidget):
    """A meter in dBFS with a lamp for limiting and clipping; a click resets lamp and held peaks."""

    def __init__(self, telemetry: Telemetry) -> None:
        super().__init__()
        self._telemetry = telemetry
        self.setFixedWidth(132)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAccessibleName("Output level")
        self.setToolTip("Output level in dBFS: RMS (solid), peak (pale), held peak (line).<br>Click to reset.")
        self._background: QPixmap | None = None
        self._lit: QPixmap | None = None
        self._drawn: object = None
        telemetry.levels.changed.connect(self._follow)
        telemetry.limiting.changed.connect(self.update)

    def _bar(self, channel: int, count: int) -> QRectF:
        gap = 6.0 if count <= 2 else 2.0
        width = 36.0 if count == 1 else (_BARS - (count - 1) * gap) / count
        left = 14 + (_BARS - count * width - (count - 1) * gap) / 2 + channel * (width + gap)
        return QRectF(left, _TOP, width, max(self.height() - _TOP - _BOTTOM, 10))

    def _y(self, level: float, bar: QRectF) -> float:
        return bar.bottom() - bar.height() * float(np.interp(level, _DB, _PLACE))

    def _follow(self) -> None:
        """Repaint only if a bar moved by a pixel, or a digit changed."""
        levels = self._telemetry.levels.value
        bar = self._bar(0, 1)
        drawn = [
            (round(self._y(x.peak or QUIET_DB, bar)), round(self._y(x.rms or QUIET_DB, bar)), x.hold, x.clipped)
            for x in levels
        ]
        if drawn != self._drawn:
            changed_text = self._drawn is None or self._texts() != getattr(self, "_shown_texts", None)
            self._drawn = drawn
            self.update() if changed_text else self.update(QRect(0, _TOP - 2, 72, self.height() - _TOP - _BOTTOM + 4))

    def _texts(self) -> tuple[str, str, bool]:
        levels = self._telemetry.levels.value
        holds = [level.hold for level in levels if level.hold is not None]
        top = max(holds, default=None)
        lamp = "CLIP" if any(level.clipped for level in levels) else "LIMIT" if self._telemetry.limiting.value else ""
        return level_text(top), lamp, len(levels) > 1

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Reset lamp and held peaks."""
        self._telemetry.reset_clips()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Discard the cached background."""
        self._background = self._lit = None

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the bars, the held peaks, the highest one as a number, and the lamp."""
        levels = self._telemetry.levels.value or (Level(),)
        if self._background is None or self._lit is None:
            self._background, self._lit = self._paint_background(), self._paint_lit()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._background)
        self._shown_texts = self._texts()
        number, lamp, _ = self._shown_texts
        painter.setFont(style.font(24, bold=True))
        painter.setPen(style.TEXT)
        painter.drawText(QRect(0, 28, self.width(), 34), Qt.AlignmentFlag.AlignCenter, number)
        if lamp:
            box = QRectF(self.width() - 62, 8, 52, 20)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(style.ALARM if lamp == "CLIP" else style.PLAYED)
            painter.drawRoundedRect(box, 5, 5)
            painter.setFont(style.font(12, bold=True))
            painter.setPen(style.BACKGROUND)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, lamp)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        for channel, level in enumerate(levels):
            self._paint_level(painter, self._bar(channel, len(levels)), level)
        painter.setFont(style.font(13 if len(levels) <= 4 else 10))
        painter.setPen(style.DIM)
        names = ("mono",) if len(levels) == 1 else "LR" if len(levels) == 2 else "12345678"
        for channel, text in enumerate(names[: len(levels)]):
            bar = self._bar(channel, len(levels)).adjusted(-10, 0, 10, 0)
            painter.drawText(QRectF(bar.left(), bar.bottom() + 4, bar.width(), 18), Qt.AlignmentFlag.AlignCenter, text)

    def _paint_level(self, painter: QPainter, bar: QRectF, level: Level) -> None:
        painter.fillRect(bar, style.BACKGROUND)
        assert self._lit is not None
        for value, opacity in ((level.peak, 0.45), (level.rms, 1.0)):
            if value is None:
                continue
            y = self._y(value, bar)
            lit = QRectF(bar.left(), y, bar.width(), bar.bottom() - y)
            ratio = self.devicePixelRatioF()
            source = QRectF(0, (y - bar.top()) * ratio, bar.width() * ratio, lit.height() * ratio)
            painter.setOpacity(opacity)
            painter.drawPixmap(lit, self._lit, source)
        painter.setOpacity(1.0)
        if level.hold is not None and level.hold > _DB[0]:
            painter.fillRect(QRectF(bar.left(), self._y(level.hold, bar) - 1, bar.width(), 2), style.TEXT)
        if level.clipped:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(style.ALARM, 3))
            painter.drawRect(bar.adjusted(1, 1, -1, -1))

    def _paint_background(self) -> QPixmap:
        ratio = self.devicePixelRatioF()
        background = QPixmap(self.size() * ratio)
        background.setDevicePixelRatio(ratio)
        painter = QPainter(background)
        style.draw_panel(painter, self.rect())
        painter.setFont(style.font(12, bold=True, spaced=True))
        painter.setPen(style.FAINT)
        painter.drawText(QPointF(14, 22), "LEVEL")
        painter.setFont(style.font(13))
        bar = self._bar(0, 1)
        above = -math.inf
        for mark in _MARKS:
            y = self._y(mark, bar)
            if y - above < _ROOM:
                continue
            above = y
            painter.setPen(style.LINE)
            painter.drawLine(QPointF(74, y), QPointF(82, y))
            painter.setPen(style.DIM)
            text = f"−{-mark}" if mark else "0"
            painter.drawText(QRectF(84, y - 10, 38, 20), _RIGHT_MIDDLE, text)
        painter.end()
        return background

    def _paint_lit(self) -> QPixmap:
        """Draw a bar at full scale, of which the levels show a part."""
        ratio = self.devicePixelRatioF()
        bar = self._bar(0, 1)
        lit = QPixmap(round(bar.width() * ratio), round(bar.height() * ratio))
        lit.setDevicePixelRatio(ratio)
        painter = QPainter(lit)
        shades = QLinearGradient(0, bar.height(), 0, 0)
        for level, colour in ((-60, "#3b4fa8"), (-30, "#4f74e6"), (-12, "#6fa8ff"), (-6, "#ffd27a"), (0, "#ffb000")):
            shades.setColorAt(float(np.interp(level, _DB, _PLACE)), QColor(colour))
        painter.fillRect(QRectF(0, 0, bar.width(), bar.height()), shades)
        painter.end()
        return lit


def level_text(level: float | None) -> str:
    """Format a level in dBFS."""
    if level is None:
        return DASH
    return "−∞" if level <= QUIET_DB else f"{level:.1f}".replace("-", "−")


_RIGHT_MIDDLE = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
