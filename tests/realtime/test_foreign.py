"""A model of another kind on the stage, from its TorchScript file to the recording: as `glitch-live` is typed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch
from torch import Tensor, nn

from realtime import opening
from realtime.engine import Engine
from realtime.mixer import DC_HZ

ROOT = Path(__file__).parents[2]
NO_SCREEN = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
LATENTS, HOP, RATE = 4, 300, 44_100


class Player(nn.Module):
    """A decoder of the nn~ kind: two cached convolutions, one among latents and one at the rate of the sound."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.register_buffer("decode_params", torch.tensor([LATENTS, HOP, 1, 1]))
        self.register_buffer("sr", torch.tensor(RATE))
        self.register_buffer("slow_pad", torch.zeros(64, LATENTS, 2))
        self.register_buffer("fast_pad", torch.zeros(64, 1, 63))
        self.slow = nn.Conv1d(LATENTS, 16, 3)
        self.up = nn.ConvTranspose1d(16, 1, HOP, stride=HOP)
        self.fast = nn.Conv1d(1, 1, 64)
        with torch.no_grad():
            ramp = torch.arange(HOP) * 2 * torch.pi / HOP
            self.up.weight.copy_(torch.stack([torch.sin((k + 1) * ramp) for k in range(16)])[:, None])
            self.fast.weight.copy_(torch.hann_window(64)[None, None] / 32)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        batch = z.shape[0]
        x = torch.cat([self.slow_pad[:batch], z], -1)
        self.slow_pad[:batch] = x[..., -2:]
        y = 0.5 * torch.tanh(self.up(torch.tanh(self.slow(x))))
        y = torch.cat([self.fast_pad[:batch], y], -1)
        self.fast_pad[:batch] = y[..., -63:]
        return self.fast(y)

    def forward(self, z: Tensor) -> Tensor:
        return self.decode(z)


def glitch_live(*arguments: object, data: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "realtime.cli", *map(str, arguments)]
    surroundings = NO_SCREEN | {"XDG_DATA_HOME": str(data)}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=150, env=surroundings)


def rendered(model: Path, rate: int, frames: int) -> np.ndarray:
    """Give what a deck makes with every knob at its default, through the mixer's DC filter and nothing else."""
    engine = Engine(model, rate)
    parts = []
    while sum(len(part) for part in parts) < frames:
        parts.append(engine.next()[0].copy())
    x = np.concatenate(parts).astype(float)
    pole = 1.0 - 2.0 * np.pi * DC_HZ / rate
    y, last_in, last_out = np.zeros_like(x), 0.0, 0.0
    for n, value in enumerate(x):
        last_in, last_out = value, value - last_in + pole * last_out
        y[n] = last_out
    return y


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "player.ts"
    torch.jit.script(Player().eval()).save(str(path))
    return path


def test_a_torchscript_is_converted_played_and_recorded_as_it_is_rendered_offline(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    for trial in range(5):  # a machine that is busy may come too late once; then nothing can be compared
        out = tmp_path / f"{trial}.wav"
        done = glitch_live(script, "--device", "null", "--osc-port", "0", "--seconds", "2", "--record", out, data=data)
        assert done.returncode == 0, done.stderr
        assert ("player.ts is converted for the stage, once" in done.stderr) == (trial == 0), done.stderr
        assert "Playing player on" in done.stdout
        audio, rate = sf.read(out)
        monkeypatch.setenv("XDG_DATA_HOME", str(data))
        offline = rendered(opening.opened(script).model, rate, 2 * rate + 8192)
        played = audio[int(0.7 * rate) : int(1.9 * rate), 0]
        assert np.abs(played).max() > 0.05
        lags = range(int(0.7 * rate) - 4096, int(0.7 * rate) + 4096)
        differences = [np.abs(offline[lag : lag + 64] - played[:64]).max() for lag in lags]
        lag = lags[int(np.argmin(differences))]
        aligned = offline[lag : lag + len(played)]
        if np.abs(aligned - played).max() < 1e-4:
            return
    raise AssertionError(
        f"five recordings in a row differ from the render, the last by {np.abs(aligned - played).max()}"
    )


def test_every_way_of_asking_about_a_model_takes_a_torchscript(script: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    listed = glitch_live(script, "--list-params", data=data)
    assert listed.returncode == 0, listed.stderr
    assert f"/latent/{LATENTS} " in listed.stdout
    assert "is converted" not in listed.stdout
    checked = glitch_live("--check", "--model", script, "--seconds", "0.5", data=data)
    assert "on this machine: a hop costs" in checked.stdout, checked.stderr
    assert "is converted" not in checked.stderr  # it was, for the list
    done = glitch_live(script, "--layout", tmp_path / "mine.json", data=data)
    assert done.returncode == 0, done.stderr
