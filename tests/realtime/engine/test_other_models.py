"""A model with another rate, an odd hop, two channels and many latents plays its torch module's output."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from export.format.card import Latent
from export.streaming.conv1d_streaming import Conv1d, ConvTranspose1d
from export.streaming.layer_base import whole_signals
from export.streaming.stack import Chain, Residual
from export.streaming_method import streaming_method
from export.torch_export import export
from realtime.audio.callback import FADE_MS
from realtime.dsp.resampler import Resampler
from realtime.engine.engine import Engine
from tests.jack import JackServer
from tests.realtime.virtual_stage import virtual

STAGE_RATE, SEED = 48_000, 11
HOP, LATENTS, CHANNELS = 300, 128, 2
SECONDS = 2.0

PLAY = """
import json, sys
import numpy as np
from realtime import Session
from realtime.decks.deck_client import wait_for
with Session(sys.argv[1], seed=int(sys.argv[2])) as session:
    assert wait_for(lambda: session.status().seconds > 2.0, 20), "no sound"
    clock, status = session.status().clock, session.status()
    stems = session.segment["stems"]
    played = stems[np.arange(clock - 72_000, clock) % len(stems), 0]
    print(json.dumps({
        "device": status.device, "nonfinite": status.nonfinite,
        "jump": float(np.abs(np.diff(played, axis=0)).max()), "peak": float(np.abs(played).max()),
        "apart": float(np.abs(played[:, 0] - played[:, 1]).max()),
    }))
"""


def decoder() -> Chain:
    """Return a network whose layers look ahead, as those of models that weren't made for the stage."""
    torch.manual_seed(0)
    sizes = (40, 32, 24, 16)
    stack: list[nn.Module] = [Conv1d(LATENTS, sizes[0], 3)]
    for ratio, inside, outside in zip((10, 6, 5), sizes[:-1], sizes[1:], strict=True):
        stack += [
            nn.LeakyReLU(0.2),
            ConvTranspose1d(inside, outside, 2 * ratio, stride=ratio, padding=ratio // 2),
            Residual(nn.LeakyReLU(0.2), Conv1d(outside, outside, 3, dilation=3), nn.Conv1d(outside, outside, 1)),
        ]
    last = Conv1d(sizes[-1], CHANNELS, 7, bias=False)
    chain = Chain(*stack, nn.LeakyReLU(0.2), last, nn.Tanh()).eval()
    with torch.no_grad(), whole_signals(chain):  # untrained weights give next to no sound
        sound = chain(torch.randn(1, LATENTS, 60))
        last.conv.weight.mul_(0.2 / sound.std())
    return chain


@pytest.fixture(scope="module", params=[22_050, 44_100])
def odd(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Chain, int]:
    """Write the model with another sample rate than the stage's."""
    path, stack = tmp_path_factory.mktemp("odd") / "odd.onnx", decoder()
    part = streaming_method("decode", stack)
    assert (part.method.hop, part.method.channels) == (HOP, CHANNELS)
    export(path, name="odd", sample_rate=request.param, methods={"decode": part}, latent=Latent.plain(LATENTS))
    return path, stack, request.param


def rendered(path: Path, stack: Chain, rate: int) -> np.ndarray:
    """Render offline the sound that a session with the same seed plays [shape=(samples, channels)].

    The latents are those that the engine makes; the torch module runs over all of them at once, without caches.
    """
    engine = Engine(path, STAGE_RATE, seed=SEED)
    engine.settle()
    latents, step = [], engine.decoder.step

    def noting(given: np.ndarray, controls: np.ndarray) -> np.ndarray:
        latents.append(given.copy())
        return step(given, controls)

    engine.decoder.step = noting  # type: ignore[method-assign]
    for _ in range(round((SECONDS + 1.0) * rate / HOP)):
        engine.next()
    whole_input = torch.from_numpy(np.stack(latents, axis=1)[None]).float()  # [1, LATENTS, frames]
    with torch.no_grad(), whole_signals(stack):
        audio = stack(whole_input)[0].numpy()
    late = np.pad(audio, ((0, 0), (stack.delay, 0)))
    return Resampler(rate, STAGE_RATE, CHANNELS).push(late).T


def test_the_stage_plays_the_modules_output_without_clicks(odd: tuple[Path, Chain, int]) -> None:
    with virtual(odd[0], samplerate=STAGE_RATE, seed=SEED) as stage:
        stage.play(SECONDS)
        assert stage.session.status().underruns == stage.session.status().nonfinite == 0
        stems = stage.session.segment["stems"]
        played = stems[stage.session.began : stage.clock, 0, :CHANNELS].copy()
    expected = rendered(*odd)[: len(played)]
    begin = STAGE_RATE // 4  # by then the fade-in is over, and no layer reaches back to the beginning
    assert np.abs(played).max() > 0.05, "there was nothing to hear"
    assert np.abs(played[:, 0] - played[:, 1]).max() > 0.05, "both channels are the same"
    np.testing.assert_allclose(played[begin:], expected[begin:], atol=1e-5)


@pytest.mark.plays
@pytest.mark.parametrize("odd", [44_100], indirect=True)
def test_it_plays_on_jack(odd: tuple[Path, Chain, int]) -> None:
    with JackServer(rate=STAGE_RATE, block=128) as server:
        done = subprocess.run(
            [sys.executable, "-c", PLAY, str(odd[0]), str(SEED)],
            env=server.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    reported = json.loads(done.stdout)
    assert "JACK" in reported["device"]
    assert reported["nonfinite"] == 0
    assert reported["peak"] > 0.05
    assert reported["apart"] > 0.05
    largest = np.abs(np.diff(rendered(*odd)[STAGE_RATE // 4 :], axis=0)).max()
    faded = 2 * reported["peak"] * 1.5 / (FADE_MS * STAGE_RATE / 1000)  # the largest step that an underrun's fades add
    assert reported["jump"] <= 1.05 * largest + faded, "something steps"
