"""A fader: a handle that the player drags, and a marker for the value that sounds."""
# ruff: noqa: N802 (Qt's names)

from __future__ import annotations

from time import monotonic

from PyQt6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt
from PyQt6.QtGui import (
    QColor,
    QEnterEvent,
    QFocusEvent,
    QFont,
    QFontMetrics,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QPolygonF,
    QResizeEvent,
    QWheelEvent,
)
from PyQt6.QtWidgets import QSizePolicy, QWidget

from gui import style
from gui.viewmodels.parameter_model import ParameterModel, fraction_of

FINE = 0.1
PAGE = 10.0

_TOP, _BOTTOM = 30, 26  # space for the name and the value
_KEYS = {
    Qt.Key.Key_Up: 1.0,
    Qt.Key.Key_Down: -1.0,
    Qt.Key.Key_Plus: 1.0,
    Qt.Key.Key_Minus: -1.0,
    Qt.Key.Key_PageUp: PAGE,
    Qt.Key.Key_PageDown: -PAGE,
}


class Fader(QWidget):
    """A vertical fader for a parameter.

    Dragging is relative: the handle doesn't jump to the pointer. Shift makes everything ten times finer, a double click
    resets to the default, the wheel and the arrow keys step.

    Parameters
    ----------
    model : ParameterModel
        The parameter.
    name : str
        The label above the fader.
    """

    def __init__(self, model: ParameterModel, name: str) -> None:
        super().__init__()
        self.model = model
        self.name = name
        self.setAccessibleName(model.row.address)
        unit = f" {model.row.unit}" if model.row.unit else ""
        span = f"{model.row.minimum:g} to {model.row.maximum:g}{unit}".replace("-", "−")
        self.setToolTip(f"<b>{model.row.address}</b><br>{model.row.text}<br>{span}")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        wide = QFontMetrics(_name_font(name)).horizontalAdvance(name)
        self.setMinimumSize(max(46, wide + 4), 140)
        self.setMaximumWidth(max(84, wide + 4))
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._drag_y: float | None = None
        self._drag_fraction = 0.0
        self._hovered = False
        self._background: QPixmap | None = None
        self._drawn: tuple[int, int | None, str] | None = None
        model.changed.connect(self._follow)

    def sizeHint(self) -> QSize:
        """Return the preferred size."""
        return QSize(56, 210)

    # Geometry

    def _y(self, fraction: float) -> float:
        return _TOP + 8 + (1 - fraction) * self._travel()

    def _travel(self) -> float:
        return max(self.height() - _TOP - _BOTTOM - 16, 1)

    def handle(self) -> QRectF:
        """Return the rectangle of the handle."""
        return QRectF(self.width() / 2 - 14, self._y(self.model.fraction) - 7, 28, 14)

    def _positions(self) -> tuple[int, int | None, str]:
        """Return the positions of handle and marker in half pixels, and the text."""
        played = self.model.played
        marker = None if played is None else round(2 * self._y(fraction_of(self.model.row, played)))
        return round(2 * self._y(self.model.fraction)), marker, self.model.text

    def _follow(self) -> None:
        """Repaint only the parts that have changed."""
        before, self._drawn = self._drawn, self._positions()
        if before is None:
            self.update()
            return
        if before[2] != self._drawn[2]:
            self.update(self._text_rect())
        for k, reach in ((0, 10), (1, 6)):
            ends = [y // 2 for y in (before[k], self._drawn[k]) if isinstance(y, int)]
            if before[k] != self._drawn[k]:
                self.update(QRect(0, min(ends) - reach, self.width(), max(ends) - min(ends) + 2 * reach + 1))

    def _text_rect(self) -> QRect:
        return QRect(0, self.height() - _BOTTOM, self.width(), _BOTTOM)

    def _zero(self) -> float:
        """Return where the fill begins: at zero if the range includes it, otherwise at the bottom."""
        row = self.model.row
        return fraction_of(row, 0.0) if row.minimum < 0 < row.maximum and row.unit != "dB" else 0.0

    # Input

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Grab the handle."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self._drag_y, self._drag_fraction = event.position().y(), self.model.fraction
            self.model.hold()
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Move the handle as far as the pointer went."""
        if event is None or self._drag_y is None:
            return
        scale = FINE if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1.0
        self._drag_fraction += scale * (self._drag_y - event.position().y()) / self._travel()
        self._drag_y = event.position().y()
        self.model.steer_fraction(self._drag_fraction, monotonic())

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Release the handle."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self._drop()

    def _drop(self) -> None:
        if self._drag_y is not None:
            self._drag_y = None
            self.model.release(monotonic())
            self.update()

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        """Reset to the default."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self.model.reset(monotonic())

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Step; with Shift by a tenth (some systems report that as a horizontal wheel)."""
        if event is None:
            return
        turned = (event.angleDelta().y() or event.angleDelta().x()) / 120
        fine = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        self.model.step(turned * (FINE if fine else 1.0), monotonic())
        event.accept()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Step with the vertical arrows, change the fader with the horizontal ones, reset with Backspace."""
        if event is None:
            return
        key = Qt.Key(event.key())
        fine = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        if key in _KEYS:
            self.model.step(_KEYS[key] * (FINE if fine else 1.0), monotonic())
        elif key in (Qt.Key.Key_Backspace, Qt.Key.Key_Delete):
            self.model.reset(monotonic())
        elif key == Qt.Key.Key_Right:
            self.focusNextChild()
        elif key == Qt.Key.Key_Left:
            self.focusPreviousChild()
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent | None) -> None:
        """Show the focus."""
        self.update()

    def focusOutEvent(self, event: QFocusEvent | None) -> None:
        """Hide the focus, and release the handle."""
        self._drop()
        self.update()

    def enterEvent(self, event: QEnterEvent | None) -> None:
        """Highlight the fader."""
        self._hovered = True
        self.update()

    def leaveEvent(self, event: QEvent | None) -> None:
        """End the highlight."""
        self._hovered = False
        self.update()

    # Drawing

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Discard the cached background."""
        self._background = None
        self._drawn = None

    def _paint_background(self) -> QPixmap:
        """Draw the static parts: track and marks."""
        ratio = self.devicePixelRatioF()
        background = QPixmap(self.size() * ratio)
        background.setDevicePixelRatio(ratio)
        background.fill(style.PANEL)
        painter = QPainter(background)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle, top, bottom = self.width() / 2, self._y(1), self._y(0)
        painter.setPen(style.LINE)
        for k in range(9):
            y, half = top + (bottom - top) * k / 8, 11 if k % 4 == 0 else 7
            painter.drawLine(QPointF(middle - half, y), QPointF(middle + half, y))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(style.BACKGROUND)
        painter.drawRoundedRect(QRectF(middle - 3.5, top - 4, 7, bottom - top + 8), 3.5, 3.5)
        painter.setPen(QPen(style.FAINT, 1.6))
        y = self._y(fraction_of(self.model.row, self.model.row.default))
        painter.drawLine(QPointF(middle - 15, y), QPointF(middle - 5, y))
        painter.drawLine(QPointF(middle + 5, y), QPointF(middle + 15, y))
        painter.end()
        return background

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw background, fill, handle, marker and value."""
        if self._background is None:
            self._background = self._paint_background()
        area = self.rect() if event is None else event.rect()
        painter = QPainter(self)
        ratio = self.devicePixelRatioF()
        source = QRectF(area.x() * ratio, area.y() * ratio, area.width() * ratio, area.height() * ratio)
        painter.drawPixmap(QRectF(area), self._background, source)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle, held = self.width() / 2, self._drag_y is not None
        lit = held or self._hovered or self.hasFocus()
        if area.top() < _TOP:
            painter.setFont(_name_font(self.name))
            painter.setPen(style.TEXT if lit else style.DIM)
            painter.drawText(QRect(0, 0, self.width(), _TOP - 6), Qt.AlignmentFlag.AlignCenter, self.name)
        if area.bottom() > self.height() - _BOTTOM:
            painter.setFont(style.font(14))
            away = self.model.value != self.model.row.default
            painter.setPen(style.TEXT if lit or away else style.DIM)
            painter.drawText(self._text_rect(), Qt.AlignmentFlag.AlignCenter, self.model.text)
        if area.top() < self.height() - _BOTTOM:
            self._paint_values(painter, middle, held)

    def _paint_values(self, painter: QPainter, middle: float, held: bool) -> None:
        handle, zero = self.handle(), self._y(self._zero())
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(style.MANUAL)
        y = handle.center().y()
        painter.drawRoundedRect(QRectF(middle - 2.5, min(y, zero), 5, abs(y - zero)), 2.5, 2.5)
        painter.setBrush(style.TEXT if held or self._hovered else style.blend(style.TEXT, style.DIM, 0.35))
        if self.hasFocus():
            painter.setPen(QPen(style.MANUAL, 2.5))
        painter.drawRoundedRect(handle, 4, 4)
        painter.setPen(QPen(style.PANEL, 2))
        painter.drawLine(QPointF(handle.left() + 7, y), QPointF(handle.right() - 7, y))
        if self.model.played is not None:
            self._paint_marker(painter, middle, self._y(fraction_of(self.model.row, self.model.played)))

    def _paint_marker(self, painter: QPainter, middle: float, y: float) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        glow = QColor(style.PLAYED)
        glow.setAlpha(60)
        painter.setBrush(glow)
        painter.drawRoundedRect(QRectF(middle - 21, y - 4.5, 42, 9), 4.5, 4.5)
        painter.setBrush(style.PLAYED)
        painter.drawRect(QRectF(middle - 17, y - 1.25, 34, 2.5))
        for side in (-1, 1):
            tip, back = middle + side * 15, middle + side * 22
            painter.drawPolygon(QPolygonF([QPointF(tip, y), QPointF(back, y - 5), QPointF(back, y + 5)]))


def _name_font(name: str) -> QFont:
    """Return a larger font for numbers than for words."""
    return style.font(16 if len(name) < 4 else 13, bold=True)
