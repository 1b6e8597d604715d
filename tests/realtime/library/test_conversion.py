"""A foreign model on the stage, from its TorchScript file to the recording, by `glitch-live`."""

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

from realtime.audio.callback import DC_HZ
from realtime.engine.decoder import Decoder
from realtime.engine.engine import Engine
from realtime.library import opening
from tests.export.torchscript import scripts
from tests.realtime.virtual_stage import virtual

ROOT = Path(__file__).parents[3]
NO_SCREEN = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
LATENTS, HOP, RATE, CHANNELS, STREAM = 128, 300, 44_100, 2, 48_000


class Player(nn.Module):
    """A decoder of the nn~ kind and an odd one: 128 latents, a hop of 300, two channels, cached at two rates."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.register_buffer("decode_params", torch.tensor([LATENTS, HOP, CHANNELS, 1]))
        self.register_buffer("sr", torch.tensor(RATE))
        self.register_buffer("slow_pad", torch.zeros(64, LATENTS, 2))
        self.register_buffer("fast_pad", torch.zeros(64, CHANNELS, 63))
        self.slow = nn.Conv1d(LATENTS, 16, 3)
        self.up = nn.ConvTranspose1d(16, CHANNELS, HOP, stride=HOP)
        self.fast = nn.Conv1d(CHANNELS, CHANNELS, 64, groups=CHANNELS)
        with torch.no_grad():
            ramp = torch.arange(HOP) * 2 * torch.pi / HOP
            waves = [[torch.sin((k + c + 1) * ramp) for c in range(CHANNELS)] for k in range(16)]
            self.up.weight.copy_(torch.stack([torch.stack(wave) for wave in waves]))
            self.fast.weight.copy_(torch.hann_window(64).expand(CHANNELS, 1, 64) / 32)

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
    """Return the sound of a deck with every parameter at its default, through the mixer's DC filter and nothing else.

    Returns
    -------
    audio : np.ndarray [shape=(frames, channels)]
    """
    engine = Engine(model, rate)
    parts: list[np.ndarray] = []
    while sum(part.shape[1] for part in parts) < frames:
        parts.append(engine.next().copy())
    x = np.concatenate(parts, axis=1).T.astype(float)
    pole = 1.0 - 2.0 * np.pi * DC_HZ / rate
    y, last_in, last_out = np.zeros_like(x), np.zeros(CHANNELS), np.zeros(CHANNELS)
    for n, value in enumerate(x):
        last_in, last_out = value, value - last_in + pole * last_out
        y[n] = last_out
    return y


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the model, and the user's data."""
    torch.jit.script(Player().eval()).save(str(tmp_path / "player.ts"))
    return tmp_path


@pytest.mark.plays
def test_a_torchscript_file_plays_and_records_as_it_is_rendered_offline(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, data = place / "player.ts", place / "data"
    out = tmp_path / "out.wav"
    done = glitch_live(
        *(script, "--device", "null", "--osc-port", "0", "--samplerate", STREAM, "--seconds", "2", "--record", out),
        data=data,
    )
    assert done.returncode == 0, done.stderr
    assert "player.ts is being converted, once" in done.stderr
    assert "Playing player on" in done.stdout
    recorded, rate = sf.read(out)
    assert rate == STREAM
    assert np.abs(recorded[rate:]).max(axis=0).min() > 0.05, "a channel is silent"

    monkeypatch.setenv("XDG_DATA_HOME", str(data))
    model = opening.open_model(script).model
    with virtual(model, samplerate=STREAM) as stage:
        audio = stage.play(2.0)
    offline = rendered(model, rate, 2 * rate + 8192)
    played = audio[int(0.7 * rate) : int(1.9 * rate)]
    lags = range(int(0.7 * rate) - 4096, int(0.7 * rate) + 4096)
    heads = [np.abs(offline[lag : lag + 64] - played[:64]).max() for lag in lags]
    lag = lags[int(np.argmin(heads))]
    np.testing.assert_allclose(played, offline[lag : lag + len(played)], atol=1e-4)


def test_every_command_about_a_model_takes_a_torchscript_file(place: Path, tmp_path: Path) -> None:
    script, data = place / "player.ts", place / "data"
    listed = glitch_live(script, "--list-params", data=data)
    assert listed.returncode == 0, listed.stderr
    assert f"/latent/{LATENTS} " in listed.stdout
    assert "is being converted" in listed.stderr
    assert "is being converted" not in listed.stdout
    checked = glitch_live("--check", "--model", script, "--seconds", "0.5", data=data)
    assert "on this machine: a hop costs" in checked.stdout, checked.stderr
    assert "is being converted" not in checked.stderr  # it was converted before, for the list
    done = glitch_live(script, "--layout", tmp_path / "mine.json", data=data)
    assert done.returncode == 0, done.stderr


def test_a_model_without_caches_plays_as_it_is_rendered_in_one_piece(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = scripts.scripted(scripts.Uncached())
    path = tmp_path / "uncached.ts"
    model.save(str(path))
    reported: list[str] = []
    decoder = Decoder(opening.open_model(path, notify=reported.append).model)
    assert any("exported without caches and would click" in sentence for sentence in reported)
    latents = np.random.default_rng(1).standard_normal((decoder.card.latent.size, 200)).astype(np.float32)
    given = torch.from_numpy(latents)[None]
    with torch.no_grad():
        whole = model.decode(given)[0].numpy()
        cut = torch.cat([model.decode(z) for z in given.split(1, 2)], 2)[0].numpy()
    streamed = decoder.render(latents)
    begin, end = 640, 2640
    late = [np.abs(streamed[:, begin + lag : end + lag] - whole[:, begin:end]).max() for lag in range(256)]
    assert min(late) < 1e-5
    assert np.abs(cut - whole)[:, begin:end].max() > 1e-3, "frame by frame it would have clicked"
