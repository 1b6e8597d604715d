"""A folder that nobody prepared, one command, a kill in the middle: it goes on, and ends as if nothing had happened."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.spectral_vae import checkpoint
from models.spectral_vae import settings as config
from models.spectral_vae.train import Data, train
from models.training.checkpoint import load_plain
from models.training.run_config import RunConfig
from realtime.engine.engine import Engine
from tests.models.tones import TINY, spoil, write_tones

ROOT = Path(__file__).parents[3]
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


def command(*arguments: object) -> dict[str, Any]:
    """How to start `glitch-lab`."""
    return {
        "args": [sys.executable, "-m", "models.cli", *map(str, arguments)],
        "cwd": ROOT,
        "env": os.environ | ONE_THREAD,
        "text": True,
        "stdout": subprocess.PIPE,
    }


@dataclass(frozen=True)
class Ended:
    """A training that was killed, and then went on to its end."""

    sounds: Path
    out: Path
    settings: Path
    killed_at: int
    first: str
    second: str


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    place = tmp_path_factory.mktemp("killed")
    sounds, out, settings = write_tones(place / "sounds"), place / "mine", place / "tiny.toml"
    spoil(sounds)
    settings.write_text(f"keep_minutes = 0.001\nmax_steps = 80\n{TINY}")
    arguments = ("train", "vae", sounds, out, "--accelerator", "cpu", "--workers", "0")
    lines = []
    with subprocess.Popen(**command(*arguments, "--minutes", "5", "--config", settings)) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if len([line for line in lines if " to go " in line]) == 2:
                process.kill()
    killed_at = int(load_plain(out / "checkpoints" / "last.ckpt")["global_step"])
    assert not (out / "model.ckpt").exists()
    # No setting has to be given again.
    second = subprocess.run(**command(*arguments, "--resume"), check=True).stdout
    return Ended(sounds, out, settings, killed_at, "".join(lines), second)


def test_a_killed_training_ends_with_the_weights_of_one_that_was_not(ended: Ended, tmp_path: Path) -> None:
    last = load_plain(ended.out / "checkpoints" / "last.ckpt")
    steps = int(last["global_step"])
    assert 0 < ended.killed_at < steps
    assert steps == last["glitch_settings"]["plan"]["steps"]
    settings = config.read(ended.settings, max_steps=steps)
    whole = train(Data(ended.sounds), RunConfig(tmp_path / "whole", accelerator="cpu"), settings, show_progress=False)
    other = load_plain(tmp_path / "whole" / "checkpoints" / "last.ckpt")
    assert last["state_dict"].keys() == other["state_dict"].keys()
    for name, value in last["state_dict"].items():
        assert torch.equal(value, other["state_dict"][name]), name
    best = checkpoint.load(ended.out)
    assert best.provenance.steps == whole.trained.provenance.steps
    for name, value in whole.trained.model.state_dict().items():
        assert torch.equal(value, best.model.state_dict()[name]), name
    assert best.latent == whole.trained.latent


def test_skipped_files_and_the_expected_duration_are_printed(ended: Ended) -> None:
    assert re.search(r"skipped .*broken\.wav: ", ended.first)
    assert re.search(r"skipped .*empty\.wav: It holds no samples\.", ended.first)
    assert "8 sounds, 0.1 min, 2 labels, 2 held out; 2 files skipped." in ended.first
    assert re.search(r"\d+ steps, about 5 min", ended.first)
    assert re.search(r" %  \d+\.\d min, \d+\.\d to go", ended.first)


def test_the_report_is_self_contained(ended: Ended) -> None:
    text = (ended.out / "report.html").read_text()
    assert f"report: {ended.out / 'report.html'}" in ended.second
    for heading in ("How it went", "Held-out sounds", "Latents", "What was left out", "Settings"):
        assert f"<h2>{heading}</h2>" in text
    assert "broken.wav" in text
    assert text.count("<img") == text.count("<audio") == 4
    assert text.count("<svg") >= 7
    assert not re.search(r"(src|href)=\"(?!data:)", text)
    # A row an evaluation, none of them twice.
    rows = load_plain(ended.out / "checkpoints" / "last.ckpt")["callbacks"]["Judged"]["rows"]
    steps = [row["step"] for row in rows]
    assert steps == sorted(set(steps))
    assert steps[:2] == [20, 40]


def test_the_model_plays_in_a_deck(ended: Ended) -> None:
    model = ended.out / "mine.onnx"
    assert f"play it: glitch-live {model}" in ended.second
    engine = Engine(model, 48_000)
    audio = np.concatenate([engine.next() for _ in range(200)], axis=1)
    assert np.isfinite(audio).all()
    assert np.abs(audio).max() > 1e-3


def test_a_training_without_a_checkpoint_restarts_with_its_plan(ended: Ended, tmp_path: Path) -> None:
    settings = config.read(ended.settings, max_steps=6)
    run = RunConfig(tmp_path / "a", accelerator="cpu")
    whole = train(Data(ended.sounds), run, settings, show_progress=False)
    # As a kill in the first steps leaves it: data and plan, and nothing else.
    left = tmp_path / "b"
    (left / "checkpoints").mkdir(parents=True)
    for name in ("data.json", "checkpoints/plan.json"):
        (left / name).write_text((tmp_path / "a" / name).read_text())
    again = train(Data(ended.sounds), replace(run, out=left, resume=True), settings, show_progress=False)
    assert again.steps == whole.steps == 6
    for name, value in whole.trained.model.state_dict().items():
        assert torch.equal(value, again.trained.model.state_dict()[name]), name
