"""The header: model, device and recording; mute and panic."""

from __future__ import annotations

from time import monotonic

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from gui import style
from gui.viewmodels.parameter_model import ParameterModel
from gui.viewmodels.readings import Identity
from gui.viewmodels.telemetry import Telemetry

_STATES = {"playing": ("●", style.PLAYED), "stalled": ("○", style.ALARM), "starting": ("○", style.DIM)}


class Header(QWidget):
    """Model and device on the left, the large buttons for mute and panic on the right."""

    panic = pyqtSignal()

    def __init__(self, telemetry: Telemetry, mute: ParameterModel) -> None:
        super().__init__()
        self._telemetry = telemetry
        self._mute = mute
        self._state, self._model, self._place, self.recording = QLabel(), QLabel(), QLabel(), QLabel()
        self.recording.setFont(style.font(18, bold=True))
        self.recording.setStyleSheet(f"color: {style.ALARM.name()};")
        self.recording.setToolTip("The output is being recorded.")
        self._state.setFont(style.font(22))
        self._model.setFont(style.font(24, bold=True))
        self._place.setFont(style.font(14))
        self._place.setStyleSheet(f"color: {style.DIM.name()};")
        for label in (self._model, self._place):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.mute_button = _button("MUTE", style.PLAYED.name(), filled=False)
        self.mute_button.setCheckable(True)
        self.mute_button.setToolTip("Mute the output with a short fade (M).")
        self.mute_button.clicked.connect(self.toggle_mute)
        self.panic_button = _button("PANIC", style.ALARM.name(), filled=True)
        self.panic_button.setMinimumWidth(150)
        self.panic_button.setToolTip("Fade out at once, reset every deck to rest, fade in (Escape).")
        self.panic_button.pressed.connect(self.panic)

        names = QVBoxLayout()
        names.setSpacing(0)
        names.addWidget(self._model)
        names.addWidget(self._place)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 2, 0, 2)
        layout.setSpacing(12)
        layout.addWidget(self._state, alignment=Qt.AlignmentFlag.AlignTop)
        layout.addLayout(names, stretch=1)
        layout.addWidget(self.recording)
        layout.addWidget(self.mute_button)
        layout.addWidget(self.panic_button)
        telemetry.identity.changed.connect(self._show_identity)
        telemetry.recorded_s.changed.connect(self._show_recording)
        mute.changed.connect(self._show_mute)
        self._show_identity()

    def toggle_mute(self) -> None:
        """Mute or unmute."""
        self._mute.steer(0.0 if self._mute.value else 1.0, monotonic())
        self._show_mute()

    def _show_mute(self) -> None:
        muted = bool(self._mute.value)
        self.mute_button.setChecked(muted)
        self.mute_button.setText("MUTED" if muted else "MUTE")

    def _show_recording(self) -> None:
        seconds = self._telemetry.recorded_s.value
        self.recording.setText("" if seconds is None else f"● REC {seconds // 60}:{seconds % 60:02d}")

    def _show_identity(self) -> None:
        identity = self._telemetry.identity.value
        sign, colour = _STATES[identity.state]
        self._state.setText(sign)
        self._state.setStyleSheet(f"color: {colour.name()};")
        self._state.setToolTip(identity.state)
        self._model.setText(identity.model)
        self._place.setText(place_text(identity))


def place_text(identity: Identity) -> str:
    """Describe state, device, sample rate and block size in one line."""
    parts = [identity.state, identity.device]
    if identity.rate:
        parts.append(f"{identity.rate / 1000:g} kHz")
    if identity.block:
        parts.append(f"{identity.block} samples a block")
    return "   ·   ".join(parts)


def _button(text: str, colour: str, *, filled: bool) -> QPushButton:
    button = QPushButton(text)
    button.setFont(style.font(18, bold=True, spaced=True))
    button.setMinimumSize(110, 52)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the space bar must not press it by accident
    button.setCursor(Qt.CursorShape.PointingHandCursor)
    dark, raised, line = style.BACKGROUND.name(), style.RAISED.name(), style.LINE.name()
    resting = (
        f"background: {colour}; color: {dark};" if filled else f"background: {raised}; color: {style.TEXT.name()};"
    )
    button.setStyleSheet(
        f"QPushButton {{ {resting} border: 2px solid {colour if filled else line}; border-radius: {style.RADIUS}px; }}"
        f"QPushButton:hover {{ border-color: {style.TEXT.name() if filled else colour}; }}"
        f"QPushButton:checked {{ background: {colour}; color: {dark}; border-color: {colour}; }}"
        f"QPushButton:pressed {{ background: {style.TEXT.name()}; color: {dark}; }}"
    )
    return button
