"""One application for all tests of the window, off screen; tests that need a real screen start one themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PyQt6.QtWidgets import QApplication

from gui import style
from gui.host_memory import HostMemory
from gui.window import Window
from tests.gui.fake_host import FakeHost
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
def fake_host(model: Path, tmp_path: Path) -> Iterator[FakeHost]:
    with FakeHost(model, tmp_path) as fake_host:
        yield fake_host


@pytest.fixture
def window(application: QApplication, fake_host: FakeHost) -> Iterator[Window]:
    """A visible window without a running timer: call `window.tick()`."""
    host = HostMemory(fake_host.name)
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
