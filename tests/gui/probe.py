"""The window as started by the host, which also prints the positions of its parts on the screen."""
# ruff: noqa: N802 (Qt's names)

from __future__ import annotations

import json
import sys

from PyQt6.QtCore import QPoint, QTimer
from PyQt6.QtGui import QShowEvent
from PyQt6.QtWidgets import QWidget

import gui.__main__ as program
from gui.window import Window


def _place(widget: QWidget) -> list[int]:
    at = widget.mapToGlobal(QPoint(0, 0))
    return [at.x(), at.y(), widget.width(), widget.height()]


class Probed(Window):
    def showEvent(self, event: QShowEvent | None) -> None:
        QTimer.singleShot(200, self._tell)

    def _tell(self) -> None:
        places = {address: _place(fader) for address, fader in self.bank.faders.items()}
        handles = {}
        for address, fader in self.bank.faders.items():
            at = fader.mapToGlobal(fader.handle().center().toPoint())
            handles[address] = [at.x(), at.y()]
        parts = {"panic": _place(self.header.panic_button), "mute": _place(self.header.mute_button)}
        print(json.dumps({"faders": places, "handles": handles, "parts": parts, "id": int(self.winId())}), flush=True)


if __name__ == "__main__":
    program.Window = Probed  # type: ignore[attr-defined]
    sys.exit(program.main(sys.argv[1:]))
