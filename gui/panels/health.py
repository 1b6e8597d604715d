"""The health panel: load, underruns, latency, OSC traffic."""
# ruff: noqa: N802 (Qt's names)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from PyQt6.QtCore import QRect, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent
from PyQt6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from gui import style
from gui.viewmodels.observable import Observable
from gui.viewmodels.readings import DASH
from gui.viewmodels.telemetry import Telemetry

_HEIGHT = 86


class Figure(QWidget):
    """A caption, a large number, and a line of detail."""

    caption = ""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(_HEIGHT)
        self.setMinimumWidth(150)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(self.caption.capitalize())

    def watch(self, value: Observable[Any]) -> None:
        """Repaint when a value changes."""
        value.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the current values."""
        self.update()

    def sizeHint(self) -> QSize:
        """Return the preferred size."""
        return QSize(240, _HEIGHT)

    def number(self) -> tuple[str, str, QColor]:
        """Return the number, its unit and its colour."""
        raise NotImplementedError

    def detail(self) -> str:
        """Return the line below the number."""
        return ""

    def parts(self) -> Iterator[tuple[float, QColor]]:
        """Return the parts of the bar, as shares of its length."""
        yield from ()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the panel."""
        painter = QPainter(self)
        style.draw_panel(painter, self.rect())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        inside = self.rect().adjusted(14, 8, -14, -8)
        painter.setFont(style.font(12, bold=True, spaced=True))
        painter.setPen(style.FAINT)
        painter.drawText(inside, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, self.caption)
        text, unit, colour = self.number()
        painter.setFont(style.font(30, bold=True))
        painter.setPen(colour)
        line = QRect(inside.left(), inside.top() + 16, inside.width(), 38)
        painter.drawText(line, _LEFT_MIDDLE, text)
        width = painter.fontMetrics().horizontalAdvance(text)
        painter.setFont(style.font(16))
        painter.setPen(style.DIM)
        painter.drawText(line.adjusted(width + 6, 6, 0, 0), _LEFT_MIDDLE, unit)
        painter.setFont(style.font(13))
        detail = painter.fontMetrics().elidedText(self.detail(), Qt.TextElideMode.ElideRight, inside.width())
        painter.drawText(QRect(inside.left(), inside.bottom() - 18, inside.width(), 20), _LEFT_MIDDLE, detail)
        self._paint_bar(painter, QRectF(inside.left() + width + 74, line.center().y() + 2, 0, 8), inside.right())

    def _paint_bar(self, painter: QPainter, bar: QRectF, right: int) -> None:
        parts = list(self.parts())
        bar.setRight(right)
        if not parts or bar.width() < 30:
            return
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(style.RAISED)
        painter.drawRoundedRect(bar, 4, 4)
        painter.setClipRect(bar)
        left = bar.left()
        for share, colour in parts:
            width = bar.width() * min(max(share, 0.0), 1.0)
            painter.fillRect(QRectF(left, bar.top(), max(width - 1.5, 0.0), bar.height()), colour)
            left += width
        painter.setClipping(False)


class LoadFigure(Figure):
    """The load of the busiest deck."""

    caption = "LOAD"

    def __init__(self, telemetry: Telemetry) -> None:
        super().__init__()
        self._load = telemetry.load
        self.setToolTip("Time to decode a hop, as a share of its duration; and the maximum since the deck started.")
        self.watch(self._load)

    def number(self) -> tuple[str, str, QColor]:
        """Return the load in percent."""
        percent = self._load.value.percent
        if percent is None:
            return DASH, "", style.DIM
        return str(percent), "%", _warning_colour(percent, 70, 100)

    def detail(self) -> str:
        """Return the maximum and the deadline."""
        load = self._load.value
        worst = DASH if load.worst is None else f"{load.worst} %"
        return f"max {worst} of {DASH if load.deadline_ms is None else f'{load.deadline_ms:.2f}'} ms"

    def parts(self) -> Iterator[tuple[float, QColor]]:
        """Return the load as a bar."""
        percent = self._load.value.percent
        if percent is not None:
            yield percent / 100, style.MANUAL if percent < 70 else _warning_colour(percent, 70, 100)


class UnderrunsFigure(Figure):
    """The count of underruns; a click resets it."""

    caption = "UNDERRUNS"

    def __init__(self, telemetry: Telemetry) -> None:
        super().__init__()
        self._telemetry = telemetry
        self.setToolTip("Frames that were not ready in time. Click to reset the count.")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.watch(telemetry.underruns)

    def number(self) -> tuple[str, str, QColor]:
        """Return the count."""
        total = self._telemetry.underruns.value.total
        return str(total), "", style.ALARM if total else style.TEXT

    def detail(self) -> str:
        """Return the counts of decks and device."""
        underruns = self._telemetry.underruns.value
        if not underruns.total:
            return "none so far"
        return f"{underruns.deck} decks · {underruns.device} device"

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Reset the count."""
        self._telemetry.reset_underruns()


class LatencyFigure(Figure):
    """The latency from a control to the speaker."""

    caption = "LATENCY"

    def __init__(self, telemetry: Telemetry) -> None:
        super().__init__()
        self._latency = telemetry.latency
        self.watch(self._latency)

    def refresh(self) -> None:
        """Show the parts in the tool tip, as well."""
        rows = "".join(
            f"<tr><td>{name}</td><td align=right>&nbsp;&nbsp;{ms:.1f} ms</td></tr>"
            for name, ms in self._latency.value.parts
        )
        self.setToolTip(f"Latency from a control to the speaker.<table>{rows}</table>")
        self.update()

    def number(self) -> tuple[str, str, QColor]:
        """Return the total."""
        total = self._latency.value.total_ms
        return (DASH, "", style.DIM) if total is None else (f"{total:.1f}", "ms", style.TEXT)

    def detail(self) -> str:
        """Return the parts."""
        return " · ".join(f"{name} {ms:.1f}" for name, ms in self._latency.value.parts if ms >= 0.05)

    def parts(self) -> Iterator[tuple[float, QColor]]:
        """Return the parts as a bar."""
        latency = self._latency.value
        total = sum(ms for _, ms in latency.parts)
        for k, (_, ms) in enumerate(latency.parts):
            yield ms / total if total else 0, style.blend(style.MANUAL, style.RAISED, min(0.3 * k, 0.75))


class OscFigure(Figure):
    """Incoming OSC messages."""

    caption = "OSC IN"

    def __init__(self, telemetry: Telemetry) -> None:
        super().__init__()
        self._osc = telemetry.osc
        self.watch(self._osc)

    def refresh(self) -> None:
        """Show the counts in the tool tip, as well."""
        osc = self._osc.value
        self.setToolTip(
            f"{osc.messages} messages received at {osc.address}; {osc.bad} malformed packets, "
            f"{osc.unknown} messages with an unknown address."
        )
        self.update()

    def number(self) -> tuple[str, str, QColor]:
        """Return the messages a second."""
        rate = self._osc.value.rate
        return DASH if rate is None else str(rate), "/s", style.TEXT

    def detail(self) -> str:
        """Return the address, and the counts of errors."""
        osc = self._osc.value
        wrong = f"{osc.bad} bad · " * bool(osc.bad) + f"{osc.unknown} unknown · " * bool(osc.unknown)
        return f"{wrong}{osc.address}"


class HealthPanel(QWidget):
    """All figures in a row."""

    def __init__(self, telemetry: Telemetry) -> None:
        super().__init__()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(style.GAP)
        self.load, self.underruns = LoadFigure(telemetry), UnderrunsFigure(telemetry)
        self.latency, self.osc = LatencyFigure(telemetry), OscFigure(telemetry)
        for figure, stretch in ((self.load, 5), (self.underruns, 4), (self.latency, 7), (self.osc, 4)):
            layout.addWidget(figure, stretch=stretch)


def _warning_colour(value: float, warn: float, alarm: float) -> QColor:
    return style.ALARM if value >= alarm else style.PLAYED if value >= warn else style.TEXT


_LEFT_MIDDLE = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
