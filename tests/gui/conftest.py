"""One application for all tests of the window, off screen; tests that need a real screen start one themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PyQt6.QtWidgets import QApplication

from gui import style
from gui.host import Host
from gui.window import Window
from tests.gui.standin import StandIn
from tests.reference import level_model


@pytest.fixture(scope="session")
def application() -> QApplication:
    application = QApplication(["tests"])
    style.apply_style(application)
    return application


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return level_model(tmp_path_factory.mktemp("model") / "level.onnx", latents=16)


@pytest.fixture
def standin(model: Path, tmp_path: Path) -> Iterator[StandIn]:
    with StandIn(model, tmp_path) as standin:
        yield standin


@pytest.fixture
def window(application: QApplication, standin: StandIn) -> Iterator[Window]:
    """A visible window without a running timer: call `window.tick()`."""
    host = Host(standin.name)
    window = Window(host)
    window.timer.stop()
    window.show()
    window.activateWindow()
    application.processEvents()
    yield window
    window.close()
    window.deleteLater()
    application.processEvents()
    host.close()
