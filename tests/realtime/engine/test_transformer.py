"""Streaming of `transform`: the output is in time, whether audio, magnitudes or mel bands."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from realtime.engine.decoder import Decoder
from realtime.engine.transformer import Transformer
from tests import reference

RATE = reference.RATE
SOUND = np.random.default_rng(0).standard_normal((1, 128 * 200)).astype(np.float32) / 8


def lag(before: np.ndarray, after: np.ndarray, size: int = 1 << 16) -> int:
    """Return the lag of one sound's envelope behind that of another, in samples."""
    spectra = [np.fft.rfft(x, size) for x in (before, after)]
    return int(np.argmax(np.fft.irfft(np.conj(spectra[0]) * spectra[1])[: len(before)]))


def bursts(samples: int = 1 << 15) -> np.ndarray:
    """Return short bursts of noise, which can be located by their envelope."""
    rng = np.random.default_rng(1)
    sound = 0.2 * rng.standard_normal(samples)
    gate = np.repeat(rng.uniform(0, 1, samples // 2048) > 0.5, 2048)
    return (sound * gate).astype(np.float32)


def envelope(sound: np.ndarray) -> np.ndarray:
    """Return the power, smoothed over 128 samples, without its mean."""
    power = np.convolve(sound.astype(float) ** 2, np.hanning(129), "same")
    return power - power.mean()


def test_the_output_lags_by_the_stated_delay(models: dict[str, Path]) -> None:
    transformer = Transformer(models["passing"])
    made = transformer.render(SOUND)
    np.testing.assert_array_equal(made[:, transformer.delay :], SOUND[:, : -transformer.delay])


@pytest.mark.parametrize(("frames", "bands"), [(1, 0), (3, 0), (1, 64), (4, 64)])
def test_magnitudes_and_mel_bands_lag_by_the_stated_delay(tmp_path: Path, frames: int, bands: int) -> None:
    path = reference.spectral_model(tmp_path / "m.onnx", frames=frames, bands=bands)
    transformer, sound = Transformer(path), bursts()
    made = transformer.render(sound[None])[0]
    assert transformer.delay == 512 - 128 + (128 if bands else 0)
    assert abs(lag(envelope(sound[: len(made)]), envelope(made)) - transformer.delay) <= 32
    levels = [np.sqrt(np.mean(x**2)) for x in (sound, made)]
    assert levels[1] == pytest.approx(levels[0], rel=0.25)


@pytest.mark.parametrize("bands", [0, 64])
def test_several_frames_a_step_give_the_samples_of_one(tmp_path: Path, bands: int) -> None:
    made = []
    for frames in (1, 4):
        path = reference.spectral_model(tmp_path / f"{frames}.onnx", frames=frames, bands=bands)
        made.append(Transformer(path).render(SOUND[:, :8192]))
    np.testing.assert_allclose(made[1], made[0], atol=2e-3)  # products over more frames are rounded differently,
    assert np.abs(made[0]).max() > 0.1  # so phases drift apart


@pytest.mark.parametrize("model", ["passing", "louder", "resonant"])
def test_any_division_into_hops_gives_the_same_samples(models: dict[str, Path], model: str) -> None:
    transformer = Transformer(models[model])
    sound = np.repeat(SOUND, transformer.channels, axis=0)
    whole = transformer.render(sound)
    transformer.reset()
    edges = 128 * np.array([0, 1, 2, 9, 50, 51, 200])
    cut = np.concatenate([transformer.render(sound[:, a:b]) for a, b in pairwise(edges)], axis=1)
    np.testing.assert_array_equal(cut, whole)


@pytest.mark.parametrize("model", ["passing", "resonant"])
def test_a_snapshot_restores_the_sound_and_warming_up_leaves_the_state_unchanged(
    models: dict[str, Path], model: str
) -> None:
    transformer = Transformer(models[model])
    transformer.render(SOUND[:, :6400])
    transformer.warm()
    kept = transformer.snapshot()
    first = transformer.render(SOUND[:, 6400:])
    transformer.restore(kept)
    np.testing.assert_array_equal(transformer.render(SOUND[:, 6400:]), first)


@pytest.mark.parametrize(("frames", "bands"), [(1, 0), (4, 0), (1, 128), (4, 128)])
def test_a_decoder_may_give_mel_bands_and_several_frames_a_step(tmp_path: Path, frames: int, bands: int) -> None:
    decoder = Decoder(reference.tone_model(tmp_path / "tone.onnx", frames=frames, bands=bands))
    assert decoder.hop == frames * 256
    audio = decoder.render(np.zeros((2, 200)))[0, 8192:]
    assert decoder.render(np.zeros((2, 1))).shape == (1, decoder.hop)
    spectrum = np.abs(np.fft.rfft(audio[:32_768] * np.hanning(32_768)))
    width = 60 if bands else 2  # positions within a band are unknown
    assert spectrum.argmax() * 48_000 / 32_768 == pytest.approx(1000, abs=width)
    assert 20 * np.log10(np.sqrt(np.mean(audio**2))) == pytest.approx(-12, abs=1.5)
