"""Rules of the project: modules that the stage never imports, and documents that match the code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TORCH = {"torch", "lightning", "torchmetrics"}


@pytest.mark.parametrize(
    "module",
    ["realtime.session.session", "realtime.decks.deck_process", "realtime.cli", "gui.window", "export.format.io"],
)
def test_the_stage_never_imports_torch(module: str) -> None:
    code = f"import {module}, sys; print(sorted({TORCH!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_window_needs_nothing_that_plays() -> None:
    code = "import gui.window, sys; print(sorted({'numba', 'sounddevice', 'onnxruntime'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_parameter_is_in_the_documents() -> None:
    from realtime.params.table import STAGE_ROWS

    text = (ROOT / "docs" / "osc.md").read_text()
    for row in STAGE_ROWS:
        assert f"`{row.address}`" in text, row.address
        assert row.text in text, row.address
