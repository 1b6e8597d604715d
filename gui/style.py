"""Colours, fonts and sizes of the window: dark, readable from two metres, suitable for colour-blind users.

No information depends on colour alone: signal colours differ in lightness as well.
"""

from __future__ import annotations

import numpy as np
from PyQt6.QtCore import QRect, Qt
from PyQt6.QtGui import QColor, QFont, QPainter, QPalette
from PyQt6.QtWidgets import QApplication

BACKGROUND = QColor("#0a0b10")
PANEL = QColor("#13151d")
RAISED = QColor("#1f232f")
LINE = QColor("#2c3140")
TEXT = QColor("#f1f2f6")
DIM = QColor("#9aa2b4")
FAINT = QColor("#788197")

MANUAL = QColor("#648fff")  # values that the player has set
PLAYED = QColor("#ffb000")  # values that sound
ALARM = QColor("#ff4f8b")  # must not be missed

GAP = 8
RADIUS = 8

_FAMILIES = ["Inter", "SF Pro Text", "Segoe UI", "Noto Sans", "Ubuntu", "DejaVu Sans Condensed", "DejaVu Sans"]

# Dark violet, magenta, orange, pale yellow: lightness increases monotonically, so it also works without hue.
_HEAT = ("#0d0e15", "#1a1038", "#3b0f63", "#67196e", "#952a67", "#c13b52", "#e25a34", "#f6861a", "#fbb92f", "#fcf7a8")


def font(pixels: int, *, bold: bool = False, spaced: bool = False) -> QFont:
    """Return the window's font at a size in pixels, with tabular digits."""
    face = QFont()
    face.setFamilies(_FAMILIES)
    face.setPixelSize(pixels)
    face.setWeight(QFont.Weight.DemiBold if bold else QFont.Weight.Normal)
    face.setFeature(QFont.Tag("tnum"), 1)
    if spaced:
        face.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, 1.5)
    return face


def heat_colours() -> np.ndarray:
    """Return the colours of the spectrogram.

    Returns
    -------
    np.ndarray [shape=(256,), dtype=uint32]
        Opaque colours as `0xffrrggbb`, the quietest first.
    """
    stops = np.array([[int(text[k : k + 2], 16) for k in (1, 3, 5)] for text in _HEAT], float)  # [stops, 3]
    place = np.linspace(0, len(_HEAT) - 1, 256)
    red, green, blue = (
        np.interp(place, np.arange(len(_HEAT)), stops[:, k]).round().astype(np.uint32) for k in range(3)
    )
    return np.uint32(0xFF000000) | red << np.uint32(16) | green << np.uint32(8) | blue


def blend(a: QColor, b: QColor, share: float) -> QColor:
    """Mix two colours; `share` is the proportion of `b`, 0 to 1."""
    return QColor(
        round(a.red() + (b.red() - a.red()) * share),
        round(a.green() + (b.green() - a.green()) * share),
        round(a.blue() + (b.blue() - a.blue()) * share),
    )


def draw_panel(painter: QPainter, rect: QRect) -> None:
    """Draw the background of a region: a rounded panel."""
    painter.fillRect(rect, BACKGROUND)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(PANEL)
    painter.drawRoundedRect(rect, RADIUS, RADIUS)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def apply_style(application: QApplication) -> None:
    """Apply the window's style to the application."""
    application.setStyle("Fusion")
    application.setFont(font(14))
    palette = QPalette()
    palette.setColor(QPalette.ColorRole.Window, BACKGROUND)
    palette.setColor(QPalette.ColorRole.WindowText, TEXT)
    palette.setColor(QPalette.ColorRole.Base, PANEL)
    palette.setColor(QPalette.ColorRole.Text, TEXT)
    palette.setColor(QPalette.ColorRole.ToolTipBase, RAISED)
    palette.setColor(QPalette.ColorRole.ToolTipText, TEXT)
    application.setPalette(palette)
    application.setStyleSheet(
        f"""
        QToolTip {{ background: {RAISED.name()}; color: {TEXT.name()}; border: 1px solid {LINE.name()}; padding: 6px; }}
        QScrollArea, #sliding {{ background: transparent; border: none; }}
        QScrollBar:horizontal {{ background: {BACKGROUND.name()}; height: 8px; }}
        QScrollBar::handle:horizontal {{ background: {LINE.name()}; border-radius: 4px; min-width: 40px; }}
        QScrollBar::handle:horizontal:hover {{ background: {FAINT.name()}; }}
        QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; }}
        """
    )
