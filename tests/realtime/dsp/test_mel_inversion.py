from collections.abc import Callable

import hypothesis
import hypothesis.strategies as st
import librosa
import numpy as np
import pytest

from models.dsp.sound_distances import buzz_db
from realtime.dsp import mel_inversion as unmel
from realtime.dsp import rtpghi as phase
from realtime.dsp.mel_inversion import MelInverter
from realtime.dsp.rtpghi import PhaseInverter, stft_magnitudes
from tests.music import PIECES, render

RATE = 48_000
few = hypothesis.settings(max_examples=20, deadline=None)


def small_weights() -> np.ndarray:
    return librosa.filters.mel(sr=8000, n_fft=256, n_mels=24)


STREAMS = st.builds(
    MelInverter,
    st.just(small_weights()),
    st.just(256),
    st.sampled_from([32, 50, 64, 128]),
    window=st.sampled_from(sorted(phase.WINDOWS)),
    rounds=st.integers(0, 3),
    seed=st.integers(0, 2**40),
)


def lively_bands(frames: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    bands = random.gamma(0.5, 1.0, (24, frames)) * np.exp(random.normal(0, 3, (24, 1)))
    bands *= 10.0 ** random.integers(-9, 1, (1, frames))
    bands[random.random((24, frames)) < 0.2] = 0
    bands[:, random.random(frames) < 0.15] = 0
    return bands.astype(np.float32)


def bands_of(audio: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return weights @ stft_magnitudes(audio, 2048, 512) ** 2


@few
@hypothesis.given(inverter=STREAMS, cuts=st.lists(st.integers(0, 7), max_size=12))
def test_any_cut_of_the_bands_gives_the_same_audio(inverter: MelInverter, cuts: list[int]) -> None:
    bands = lively_bands(40)
    whole = inverter.push(bands)
    inverter.reset()
    edges = np.minimum(np.cumsum([0, *cuts]), 40)
    pieces = [inverter.push(bands[:, start:end]) for start, end in zip(edges, [*edges[1:], 40], strict=True)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    assert np.isfinite(whole).all()
    assert len(whole) == 40 * inverter.hop


@few
@hypothesis.given(inverter=STREAMS, frames_before=st.integers(0, 10))
def test_a_snapshot_brings_the_same_future_back_here_and_elsewhere(inverter: MelInverter, frames_before: int) -> None:
    inverter.push(lively_bands(frames_before, seed=1))
    snapshot = inverter.snapshot()
    bands = lively_bands(12)
    future = inverter.push(bands)
    inverter.restore(snapshot)
    np.testing.assert_array_equal(inverter.push(bands), future)
    elsewhere = MelInverter(
        small_weights(), 256, inverter.hop, window=inverter.window, rounds=inverter.rounds, seed=inverter.seed + 1
    )
    elsewhere.restore(snapshot)
    np.testing.assert_array_equal(elsewhere.push(bands), future)


def test_a_snapshot_of_another_inverter_is_refused() -> None:
    inverter = MelInverter(small_weights(), 256, 64)
    with pytest.raises(ValueError, match="snapshot of"):
        inverter.restore(PhaseInverter(256, 64, lookahead=1).snapshot())


def test_silence_stays_exactly_silent_and_comes_back_after_sound() -> None:
    inverter = MelInverter(small_weights(), 256, 64)
    assert not inverter.push(np.zeros((24, 20))).any()
    assert inverter.push(lively_bands(10)).any()
    assert not inverter.push(np.zeros((24, 12)))[6 * 64 :].any()


@few
@hypothesis.given(
    inverter=STREAMS,
    bad=st.lists(
        st.tuples(st.integers(0, 23), st.integers(0, 19), st.sampled_from([np.nan, np.inf, -np.inf, -1.0, -1e30])),
        min_size=1,
    ),
)
def test_negative_and_non_finite_power_counts_as_zero(inverter: MelInverter, bad: list[tuple[int, int, float]]) -> None:
    clean, poisoned = (lively_bands(20) for _ in range(2))
    for b, n, value in bad:
        clean[b, n], poisoned[b, n] = 0, value
    expected = inverter.push(clean)
    inverter.reset()
    np.testing.assert_array_equal(inverter.push(poisoned), expected)


def test_a_sine_stays_at_its_frequency_where_bands_are_as_narrow_as_bins() -> None:
    weights = librosa.filters.mel(sr=RATE, n_fft=2048, n_mels=128)
    sine = np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)
    audio = MelInverter(weights, 2048, 512).push(bands_of(sine, weights))
    steady = audio[RATE // 2 :][:RATE]
    spectrum = np.abs(np.fft.rfft(steady * np.blackman(RATE)))
    assert np.argmax(spectrum) == pytest.approx(440, abs=6)
    assert np.sqrt(2 * np.mean(steady**2)) == pytest.approx(1, abs=0.15)


def test_noise_does_not_buzz_at_the_rate_of_the_frames() -> None:
    weights = librosa.filters.mel(sr=RATE, n_fft=2048, n_mels=128)
    noise = 0.1 * np.random.default_rng(0).standard_normal(20 * RATE)
    assert buzz_db(MelInverter(weights, 2048, 512).push(bands_of(noise, weights))[RATE:]) < 1.5


def test_noise_begins_without_a_click() -> None:
    weights = librosa.filters.mel(sr=RATE, n_fft=2048, n_mels=128)
    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE)
    inverter = MelInverter(weights, 2048, 512)
    for _ in range(2):
        sharp = np.abs(np.diff(inverter.push(bands_of(noise, weights)[:, 4:]).astype(np.float64), 2))
        assert sharp[:4096].max() < 1.2 * sharp[8192:].max()
        inverter.reset()


def test_a_frame_sounds_after_the_delay_that_is_stated() -> None:
    weights = librosa.filters.mel(sr=RATE, n_fft=2048, n_mels=128)
    click = np.zeros(20 * 512)
    click[10 * 512] = 1
    inverter = MelInverter(weights, 2048, 512)
    energy = inverter.push(bands_of(click, weights)).astype(np.float64) ** 2
    assert energy @ np.arange(len(energy)) / energy.sum() == pytest.approx(10 * 512 + inverter.delay, abs=144)


def test_noise_does_not_freeze_into_lines() -> None:
    weights = librosa.filters.mel(sr=RATE, n_fft=2048, n_mels=128)
    noise = np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)
    audio = MelInverter(weights, 2048, 512).push(bands_of(noise, weights))
    power = (stft_magnitudes(audio, 2048, 512)[100:1000, 10:-10] ** 2).mean(axis=1)  # where bands are wider than bins
    level = 10 * np.log10(power)
    ripple = level - np.convolve(np.pad(level, 12, mode="edge"), np.ones(25) / 25, mode="valid")
    assert ripple.std() < 1  # lines make it eight; the noise itself has less than a half


@pytest.mark.parametrize("piece", PIECES)
def test_corrections_bring_music_closer_to_its_bands(piece: str) -> None:
    weights = librosa.filters.mel(sr=RATE, n_fft=2048, n_mels=128)
    bands = bands_of(render(piece)[0][RATE : 3 * RATE], weights)
    output = bands > 1e-6 * bands.max()
    off_db = []
    for rounds in (0, 3):
        inverter = MelInverter(weights, 2048, 512, rounds=rounds)
        audio = inverter.push(np.pad(bands, ((0, 0), (0, 3))))[inverter.delay :][: 2 * RATE]
        made = bands_of(audio, weights)
        off_db.append(
            10 * np.abs(np.log10(np.maximum(made, 1e-20)) - np.log10(np.maximum(bands, 1e-20)))[output].mean()
        )
    assert off_db[1] < off_db[0] - 0.5
    assert off_db[1] < 3


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        (lambda: MelInverter(small_weights()[:, 1:], 256, 64), "129"),
        (lambda: MelInverter(-small_weights(), 256, 64), "0 or more"),
        (lambda: MelInverter(small_weights(), 256, 200), "1 to 128"),
        (lambda: MelInverter(small_weights(), 256, 64).push(np.zeros((23, 1))), r"\(24, frames\)"),
        (lambda: MelInverter(small_weights(), 256, 64).push(np.zeros((24, 1), complex)), "real numbers"),
    ],
)
def test_errors_name_the_allowed_values(wrong: Callable[[], object], remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        wrong()


def test_warm_compiles_everything() -> None:
    unmel.warm()
    kernels = [value for value in vars(unmel).values() if hasattr(value, "signatures")]
    compiled = [len(kernel.signatures) for kernel in kernels]
    MelInverter(small_weights(), 256, 50, window="hamming").push(np.ones((24, 3), np.float16)[:, ::2])
    assert [len(kernel.signatures) for kernel in kernels] == compiled
