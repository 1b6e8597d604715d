"""What the project promises of itself: who imports whom, and that its documents tell the truth."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "export": {"export"},
    "realtime": {"realtime", "export.format.contract", "export.format.mel_scale", "export.runtime.frame_stepper"},
    "gui": {"gui", "realtime", "export.format.contract"},
    "models": {
        *(
            "models",
            "export",
            "realtime.dsp.rtpghi",
            "realtime.dsp.propagation",
            "realtime.dsp.mel_inversion",
            "realtime.takes.renderer",
            "realtime.library.library",
        ),
        *("realtime.library.conversion", "realtime.ipc.lifeline", "realtime.dsp.framer"),
        # what plays, without the processes that play it
        *("realtime.decks.offline", "realtime.engine.engine", "realtime.latent.walk", "realtime.latent.latent_map"),
        *(
            "realtime.engine.graph",
            "realtime.engine.encoder",
            "realtime.dsp.resampler",
            "realtime.takes.recorder",
            "realtime.takes.soundfile_writer",
        ),
    },
}
TORCH = {"torch", "lightning", "torchmetrics"}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        for name in imports(path):
            if name.split(".")[0] not in MAY_IMPORT:
                continue
            assert any(f"{name}.".startswith(f"{allowed}.") for allowed in MAY_IMPORT[package]), f"{path}: {name}"


@pytest.mark.parametrize(
    "module",
    ["realtime.session.session", "realtime.decks.deck_process", "realtime.cli", "gui.window", "export.format.contract"],
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
