"""The window: its panels, its timer and its keys."""
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
from gui.host_memory import HostMemory
from gui.osc_sender import OscSender
from gui.panels.header import Header
from gui.panels.health import HealthPanel
from gui.panels.latents import FaderBank
from gui.panels.shortcuts import SHORTCUTS, ShortcutsPage
from gui.panels.spectrogram import Spectrogram
from gui.viewmodels.parameter_model import ParameterModel
from gui.viewmodels.readings import finite
from gui.viewmodels.telemetry import Telemetry
from gui.widgets.meter import LevelMeter
from realtime.params import table as params

FRAME_MS = 16
FIGURES_S = 0.2
SIZE = (1280, 800)


class Window(QWidget):
    """The main window: it reads the host's shared memory sixty times a second, and sends changes over OSC.

    Faders and meters alternate, with thirty updates a second each. Figures are updated five times a second, so that
    they stay readable, and the description of the session once a second.

    Parameters
    ----------
    host : HostMemory
        The session to show.
    """

    host_ended = pyqtSignal()

    def __init__(self, host: HostMemory) -> None:
        super().__init__()
        self._host = host
        self.remote = OscSender()
        self.telemetry = Telemetry(host)
        self.mute = ParameterModel(params.table()["/mute"], self.remote)
        self._model_path: str | None = None
        self._ticks = 0
        self._figures_due = 0.0

        self.header = Header(self.telemetry, self.mute)
        self.spectrogram = Spectrogram(host)
        self.meters = LevelMeter(self.telemetry)
        self.figures = HealthPanel(self.telemetry)
        self.bank = FaderBank(params.table(), host, self.remote)
        self.shortcuts_page = ShortcutsPage(self)
        self._lay_out()
        self._bind_keys()
        self.header.panic.connect(self.panic)
        self.host_ended.connect(self.close)  # from the lifeline's thread to the window's

        self._refresh(monotonic())
        self.timer = QTimer(self)
        self.timer.setTimerType(Qt.TimerType.PreciseTimer)
        self.timer.timeout.connect(self.tick)
        self.timer.start(FRAME_MS)

    def _lay_out(self) -> None:
        self.setWindowTitle("glitch-live")
        self.setMinimumSize(760, 560)
        self.resize(*SIZE)
        top_row = QHBoxLayout()
        top_row.setSpacing(style.GAP)
        top_row.addWidget(self.spectrogram, stretch=1)
        top_row.addWidget(self.meters)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(12, 8, 12, 12)
        self._layout.setSpacing(style.GAP)
        self._layout.addWidget(self.header)
        self._layout.addLayout(top_row, stretch=4)
        self._layout.addWidget(self.figures)
        self._layout.addWidget(self.bank, stretch=3)

    def _bind_keys(self) -> None:
        for action, keys, _ in SHORTCUTS:
            for key in keys if action else ():
                shortcut = QShortcut(QKeySequence(key), self)
                shortcut.setAutoRepeat(False)
                shortcut.activated.connect(getattr(self, action))

    # Actions of the keys

    def panic(self) -> None:
        """Send a panic to the host; if the page of shortcuts is open, close that instead."""
        if self.shortcuts_page.isVisible():  # Escape closes an overlay first, as usual
            self.shortcuts_page.hide()
            return
        self.remote.send("/panic", 1.0)

    def toggle_mute(self) -> None:
        """Mute or unmute the output."""
        self.header.toggle_mute()

    def full_screen(self) -> None:
        """Enter or leave full screen."""
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def help(self) -> None:
        """Show or hide the page of shortcuts."""
        self.shortcuts_page.toggle()

    def quit(self) -> None:
        """Close the window; the host continues to play."""
        self.close()

    # Updates

    def tick(self) -> None:
        """Update everything that is due."""
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
            self.mute.follow(finite(self._host.values[self.mute.row.index]), None, now)
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
            self.remote.set_target(str(target[0]), int(target[1]))
        path = self._host.info.get("model")
        if isinstance(path, str) and path != self._model_path:
            self._model_path = path
            self._show_model(Path(path))

    def _show_model(self, path: Path) -> None:
        """Show the faders of a model; if it can't be read, only those of every session."""
        try:
            table = params.table(load(path)[1])
        except GlitchError:
            table = params.table()
        before, self.bank = self.bank, FaderBank(table, self._host, self.remote)
        self._layout.replaceWidget(before, self.bank)
        before.deleteLater()
        self.setWindowTitle(f"{self._host.info.get('model_name') or path.stem} – glitch-live")
        self.bank.poll(monotonic())

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Let the page of shortcuts cover the window."""
        self.shortcuts_page.setGeometry(self.rect())

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Stop the timer, and close the socket."""
        self.timer.stop()
        self.remote.close()
