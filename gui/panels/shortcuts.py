"""The keyboard shortcuts: one table for the keys and for the page that shows them."""
# ruff: noqa: N802 (Qt's names)

from __future__ import annotations

from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent
from PyQt6.QtWidgets import QWidget

from gui import style

# Action (a method of the window), keys, description. Keys without an action are handled by the fader in focus.
SHORTCUTS = (
    ("panic", ("Esc",), "panic: fade out and reset; or close this page"),
    ("toggle_mute", ("M",), "mute or unmute"),
    ("full_screen", ("F",), "full screen on or off"),
    ("help", ("?",), "show or hide this page"),
    ("quit", ("Q", "Ctrl+Q"), "close this window; the sound continues"),
    ("", ("Tab", "← →"), "next or previous fader"),
    ("", ("↑ ↓", "wheel", "drag"), "move the fader; with Shift in fine steps"),
    ("", ("PgUp PgDn",), "move the fader by a tenth"),
    ("", ("Backspace", "double click"), "reset the fader to its default"),
)


class ShortcutsPage(QWidget):
    """An overlay that shows the shortcuts; a click, `?` or Escape closes it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.hide()

    def toggle(self) -> None:
        """Show or hide the page."""
        parent = self.parentWidget()
        if parent is not None:
            self.setGeometry(parent.rect())
        self.setVisible(not self.isVisible())
        self.raise_()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Close the page."""
        self.hide()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the page."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), QColor(10, 11, 16, 190))
        line, width = 38, 640.0
        card = QRectF((self.width() - width) / 2, 0, width, line * len(SHORTCUTS) + 96)
        card.moveTop((self.height() - card.height()) / 2)
        painter.setPen(style.LINE)
        painter.setBrush(style.PANEL)
        painter.drawRoundedRect(card, 14, 14)
        painter.setFont(style.font(12, bold=True, spaced=True))
        painter.setPen(style.FAINT)
        painter.drawText(card.adjusted(34, 26, 0, 0), 0, "KEYS")
        for k, (_, keys, text) in enumerate(SHORTCUTS):
            y = card.top() + 62 + k * line
            left = card.left() + 34
            painter.setFont(style.font(15, bold=True))
            for key in keys:
                box = QRectF(left, y, painter.fontMetrics().horizontalAdvance(key) + 20, 28)
                painter.setPen(style.LINE)
                painter.setBrush(style.RAISED)
                painter.drawRoundedRect(box, 6, 6)
                painter.setPen(style.TEXT)
                painter.drawText(box, Qt.AlignmentFlag.AlignCenter, key)
                left = box.right() + 8
            painter.setFont(style.font(16))
            painter.setPen(style.DIM)
            place = QRectF(card.left() + 290, y, width - 300, 28)
            painter.drawText(place, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)
