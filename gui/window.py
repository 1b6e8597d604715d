"""The window: its regions, its timer, its keys."""
# ruff: noqa: N802 (Qt's names)

from __future__ import annotations

from pathlib import Path
from time import monotonic

from PyQt6.QtCore import Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QCloseEvent, QKeySequence, QResizeEvent, QShortcut
from PyQt6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from export.errors import GlitchError
from export.format.io import load
from gui import style
from gui.host import Host
from gui.panels.header import Header
from gui.panels.health import Figures
from gui.panels.latents import Bank
from gui.panels.shortcuts import KEYS, KeysPage
from gui.panels.spectrogram import Spectrogram
from gui.remote import Remote
from gui.viewmodels.telemetry import ParameterModel, Telemetry, number
from gui.widgets.meter import Meters
from realtime.params import table as params

FRAME_MS = 16
FIGURES_S = 0.2
SIZE = (1280, 800)


class Window(QWidget):
    """Reads the host's memory sixty times a second, and steers it over OSC.

    Faders and meters take turns, thirty times a second each; numbers change five times a second, or nobody could read
    them; the description of the session is read once a second.
    """

    host_ended = pyqtSignal()

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host
        self.remote = Remote()
        self.telemetry = Telemetry(host)
        self.mute = ParameterModel(params.table()["/mute"], self.remote)
        self._model_path: str | None = None
        self._ticks = 0
        self._figures_due = 0.0

        self.header = Header(self.telemetry, self.mute)
        self.spectrogram = Spectrogram(host)
        self.meters = Meters(self.telemetry)
        self.figures = Figures(self.telemetry)
        self.bank = Bank(params.table(), host, self.remote)
        self.keys_page = KeysPage(self)
        self._lay_out()
        self._bind_keys()
        self.header.panic.connect(self.panic)
        self.host_ended.connect(self.close)  # from the lifeline's thread into ours

        self._refresh(monotonic())
        self.timer = QTimer(self)
        self.timer.setTimerType(Qt.TimerType.PreciseTimer)
        self.timer.timeout.connect(self.tick)
        self.timer.start(FRAME_MS)

    def _lay_out(self) -> None:
        self.setWindowTitle("glitch-live")
        self.setMinimumSize(760, 560)
        self.resize(*SIZE)
        sight = QHBoxLayout()
        sight.setSpacing(style.GAP)
        sight.addWidget(self.spectrogram, stretch=1)
        sight.addWidget(self.meters)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(12, 8, 12, 12)
        self._layout.setSpacing(style.GAP)
        self._layout.addWidget(self.header)
        self._layout.addLayout(sight, stretch=4)
        self._layout.addWidget(self.figures)
        self._layout.addWidget(self.bank, stretch=3)

    def _bind_keys(self) -> None:
        for action, keys, _ in KEYS:
            for key in keys if action else ():
                shortcut = QShortcut(QKeySequence(key), self)
                shortcut.setAutoRepeat(False)
                shortcut.activated.connect(getattr(self, action))

    # What the keys do

    def panic(self) -> None:
        """Silence the host at once."""
        if self.keys_page.isVisible():  # Escape closes what lies on top, as everywhere
            self.keys_page.hide()
            return
        self.remote.send("/panic", 1.0)

    def toggle_mute(self) -> None:
        """Mute the host, or let it play on."""
        self.header.toggle_mute()

    def full_screen(self) -> None:
        """Fill the screen, or go back."""
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def help(self) -> None:
        """Show or hide the keys."""
        self.keys_page.toggle()

    def quit(self) -> None:
        """Close the window; the host plays on."""
        self.close()

    # What time does

    def tick(self) -> None:
        """Take a look at the host."""
        now = monotonic()
        self._ticks += 1
        if self._host.stopping:
            self.close()
            return
        self._refresh(now)
        if self.isVisible() and not self.isMinimized():
            self.spectrogram.advance()
        if self._ticks % 2:
            self.bank.poll(now)
            self.mute.follow(number(self._host.values[self.mute.row.index]), None, now)
        else:
            self.telemetry.poll_levels(now)
        if now >= self._figures_due:
            self._figures_due = now + FIGURES_S
            self.telemetry.poll_figures(now)

    def _refresh(self, now: float) -> None:
        if not self._host.refresh(now):
            return
        if self._host.ended():
            self.close()
        target = self._host.info.get("osc")
        if isinstance(target, list) and len(target) == 2:
            self.remote.aim(str(target[0]), int(target[1]))
        path = self._host.info.get("model")
        if isinstance(path, str) and path != self._model_path:
            self._model_path = path
            self._show_model(Path(path))

    def _show_model(self, path: Path) -> None:
        """Put up the faders of a model; of one that cannot be read, only those that every session has."""
        try:
            table = params.table(load(path)[1])
        except GlitchError:
            table = params.table()
        before, self.bank = self.bank, Bank(table, self._host, self.remote)
        self._layout.replaceWidget(before, self.bank)
        before.deleteLater()
        self.setWindowTitle(f"{self._host.info.get('model_name') or path.stem} – glitch-live")
        self.bank.poll(monotonic())

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Keep the page of keys over everything."""
        self.keys_page.setGeometry(self.rect())

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Stop looking."""
        self.timer.stop()
        self.remote.close()
