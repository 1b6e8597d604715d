"""The code and commands of docs/vae.md run as they are written, the trainings in miniature."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from export.format.io import load
from models.cli import app
from models.data.pictures import digits
from models.digits_vae import checkpoint
from tests.benchmarks.support.catalogue import benchmarks
from tests.models.data.pictures.idx import write_mnist

TEXT = (Path(__file__).parents[3] / "docs" / "vae.md").read_text()
MINIATURE = ["--epochs", "1", "--hidden", "8", "--components", "4"]


def test_the_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(blocks) == 2
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "docs/vae.md", "exec"), names)
    assert names["nats"].shape == (100,)
    _, card = load(tmp_path / "sound.onnx")
    assert set(card.methods) == {"decode", "encode"}
    assert [control.name for control in card.method("decode").controls] == ["pitch", "instrument"]


def test_the_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = re.findall(r"^    (glitch-lab .*?)(?: +#.*)?$", TEXT, re.MULTILINE)
    assert len(commands) == 3
    monkeypatch.chdir(tmp_path)
    write_mnist(tmp_path / "FOLDER", digits.small())
    for command in commands:
        result = CliRunner().invoke(app, shlex.split(command)[1:] + MINIATURE)
        assert result.exit_code == 0, (command, result.output, result.exception)
    loaded = re.search(r'`models\.digits_vae\.checkpoint\.load\("(.*?)"\)`', TEXT)
    assert loaded is not None
    assert checkpoint.load(loaded[1]).data == "scikit-learn's digits"


def test_the_benchmarks_exist() -> None:
    named = re.findall(r"python -m tests\.benchmarks (\w+)", TEXT)
    assert named
    assert set(named) <= benchmarks().keys()
