"""The forms in which the benchmark of stitches plays a chunk model are what they are called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from export.format.card import Latent, Method
from export.format.mel_scale import bands_of
from export.streaming.conv2d_streaming import CausalConv2d, ConvTranspose2d, MergeRows, SplitRows
from export.streaming.explicit_state import with_explicit_state
from export.streaming.stack import Chain
from export.torch_export import TorchMethod, export
from models.dcgan.export import GRAIN_CONTROL, EndlessStream
from models.dcgan.sound_networks import CONTEXT, EndlessGenerator
from models.dsp.log_mel import LogMel, LogMelAnalysis
from models.evaluation.boundary_metrics import log_mel
from realtime.dsp.rtpghi import stft_magnitudes
from tests.benchmarks.stitching.chunk_model import ChunkModel
from tests.benchmarks.stitching.style_transfer import through_bands

SCALE = LogMel(bands=32)
HOP = 2048


class Turned(nn.Module):
    """Return the output of a network as the logarithm of the power."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        return SCALE.to_log_power(self.parts(x).clamp(-1, 1))


def transform(path: Path, frames: int) -> Path:
    """Export a transform whose network looks at so many frames."""
    torch.manual_seed(0)
    network = CausalConv2d(1, 1, SCALE.bands, (1, frames))
    nn.init.constant_(network.conv.weight, 1 / frames)
    parts = LogMelAnalysis(SCALE), SplitRows(1, SCALE.bands), network, MergeRows(1, SCALE.bands)
    module, states = with_explicit_state(Turned(*parts), torch.zeros(1, 1, 2 * HOP))
    method = Method(HOP, "magnitudes", delay=512, spectrum=SCALE.spectrum)
    part = TorchMethod(module, method, states, 1.0)
    export(path, name=path.stem, sample_rate=48_000, methods={"transform": part}, latent=Latent.plain(1))
    return path


def generator(path: Path) -> Path:
    """Export a generator whose frames overlap."""
    torch.manual_seed(0)
    network = Chain(
        SplitRows(2, 1),
        ConvTranspose2d(2, 4, 1, (8, 4), stride=(8, 2)),
        nn.LeakyReLU(0.2),
        ConvTranspose2d(4, 1, 8, (4, 4), stride=(4, 2)),
        MergeRows(1, 32),
    )
    module, states = with_explicit_state(Turned(network), torch.zeros(1, 2, 2))
    part = TorchMethod(module, Method(HOP, "magnitudes", spectrum=SCALE.spectrum), states, 1.0)
    export(path, name=path.stem, sample_rate=48_000, methods={"decode": part}, latent=Latent.plain(2))
    return path


def endless(path: Path) -> Path:
    """Export a generator that is given noise as well, of a loop that counts its frames."""
    torch.manual_seed(0)
    network, scale = EndlessGenerator(2, 4), LogMel()
    for weight in network.parameters():
        nn.init.normal_(weight, 0.0, 0.2)
    module, states = with_explicit_state(EndlessStream(network, scale), (torch.zeros(1, 2, 2), torch.ones(1, 1, 2)))
    method = Method(scale.hop, "magnitudes", controls=(GRAIN_CONTROL,), spectrum=scale.spectrum)
    part = TorchMethod(module, method, states, 1.0)
    export(path, name=path.stem, sample_rate=48_000, methods={"decode": part}, latent=Latent.plain(2))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def noise(seconds: float) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).normal(size=(1, round(seconds * 48_000))).astype(np.float32)


@pytest.mark.parametrize("make", [lambda path: transform(path, 5), generator])
def test_playing_hop_by_hop_equals_the_unchunked_pass(make, folder: Path) -> None:  # type: ignore[no-untyped-def]
    model = ChunkModel(make(folder / "whole.onnx"))
    given = noise(4) if model.takes_audio else model.led(4)
    streamed, whole = model.streamed(given), model.whole(given)
    np.testing.assert_allclose(np.log(streamed.wanted), np.log(whole.wanted), atol=1e-4)
    assert streamed.boundaries == whole.boundaries
    assert np.diff(streamed.boundaries).tolist() == [model.chunk] * (len(streamed.boundaries) - 1)


def test_apart_wipes_the_network_and_not_the_analysis(folder: Path) -> None:
    forgetful = ChunkModel(transform(folder / "forgetful.onnx", 1))
    assert np.array_equal(forgetful.apart(noise(4)).wanted, forgetful.streamed(noise(4)).wanted)
    remembers = ChunkModel(transform(folder / "remembers.onnx", 5))
    apart, streamed = remembers.apart(noise(4)).wanted, remembers.streamed(noise(4)).wanted
    changed = np.flatnonzero(np.abs(np.log(apart / streamed)).max(axis=0) > 1e-3)
    size = remembers.chunk // SCALE.hop
    assert set(range(1, apart.shape[1] // size)) <= set((changed // size).tolist())
    assert (changed % size).max() < 4


def test_audio_of_every_form_is_in_time_with_its_bands(folder: Path) -> None:
    model = ChunkModel(transform(folder / "late.onnx", 1))
    click = np.zeros((1, 3 * 48_000), np.float32)
    click[0, 60_000] = 1
    for played in (model.streamed(click), model.apart(click), model.naive(click)):
        assert len(played.audio) == played.wanted.shape[1] * SCALE.hop
        loudest = int(np.abs(played.audio).argmax())
        assert abs(loudest - (60_000 + model.lag)) < SCALE.hop


def test_naive_chunks_do_not_depend_on_each_other(folder: Path) -> None:
    model = ChunkModel(transform(folder / "naive.onnx", 1))
    first, other = noise(4), noise(4)
    other[0, : 2 * model.chunk] *= 0.1
    at = 3 * model.chunk
    assert np.array_equal(model.naive(first).audio[at:], model.naive(other).audio[at:])
    assert not np.array_equal(model.streamed(first).audio[at:], model.streamed(other).audio[at:])


def test_a_generator_with_its_whole_context_has_no_boundaries(folder: Path) -> None:
    model = ChunkModel(generator(folder / "conditioned.onnx"))
    latents = model.led(4)
    apart, streamed = model.apart(latents, context=3).wanted, model.streamed(latents).wanted
    assert np.array_equal(apart[:, 8:], streamed[:, 8:])
    assert not np.allclose(np.log(model.apart(latents).wanted[:, 8:]), np.log(streamed[:, 8:]), atol=1e-2)


def test_noise_continues_when_the_caches_are_reset(folder: Path) -> None:
    model = ChunkModel(endless(folder / "endless.onnx"))
    assert model.every_frame_alike
    latents = model.led(3)
    apart, streamed = model.apart(latents, context=CONTEXT).wanted, model.streamed(latents).wanted
    np.testing.assert_allclose(np.log(apart[:, CONTEXT:]), np.log(streamed[:, CONTEXT:]), atol=1e-3)
    assert not np.allclose(np.log(model.apart(latents).wanted), np.log(streamed), atol=0.1)


def test_source_and_output_are_compared_in_the_same_bands(folder: Path) -> None:
    """A style classifier gets both; bands that a generator cannot produce must not give its output away."""
    scale = LogMel()
    module, states = with_explicit_state(Turned(LogMelAnalysis(scale)), torch.zeros(1, 1, 2 * scale.hop))
    method = Method(scale.hop, "magnitudes", delay=512, spectrum=scale.spectrum)
    part = TorchMethod(module, method, states, 1.0)
    path = folder / "unchanged.onnx"
    export(path, name="unchanged", sample_rate=48_000, methods={"transform": part}, latent=Latent.plain(1))
    model = ChunkModel(path)
    tone = 0.02 * np.sin(2 * np.pi * 440 * np.arange(96_000) / 48_000).astype(np.float32)  # nearly all bands are empty
    power = bands_of(model.spectrum, model.rate) @ stft_magnitudes(tone, 2048, 512, "hann") ** 2
    turned, other, beyond = (
        log_mel(audio[: len(tone) - 4096], 48_000)[:, 40:-8]
        for audio in (model.streamed(tone[None]).audio[model.lag :], through_bands(model, tone), model.inverted(power))
    )
    off, otherwise = (float(np.abs(turned - output).mean()) for output in (other, beyond))
    assert off < 0.1 * otherwise
