"""Boundary metrics find boundaries in a sound that was cut, and none in a sound that was not."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from scipy.signal import lfilter

from export.format.card import MelBands, Spectrum
from export.format.mel_scale import bands_of
from models.evaluation import boundary_metrics
from models.evaluation.boundary_classifier import boundary_auc
from models.evaluation.boundary_metrics import BoundaryError, convergence_db, equivariance_db, flux_ratio, jump_db
from realtime.dsp.mel_inversion import MelInverter
from realtime.dsp.rtpghi import invert, stft_magnitudes

RATE, CHUNK = 48_000, 20_480
BOUNDARIES = list(range(CHUNK, 221 * CHUNK, CHUNK))
LENGTH = 222 * CHUNK
LIKE_GUESSING = 0.55


@cache
def turns() -> np.ndarray:
    """Phase of a tone whose pitch wanders."""
    pitch = 220 * 2 ** np.cumsum(np.random.default_rng(0).normal(0, 1e-4, LENGTH))
    return 2 * np.pi * np.cumsum(pitch) / RATE


def tone(phase: np.ndarray) -> np.ndarray:
    return 0.1 * sum((np.sin(k * phase) / k for k in range(1, 8)), np.zeros(len(phase)))


@cache
def hiss() -> np.ndarray:
    return np.asarray(lfilter([0.003], [1, -0.95], np.random.default_rng(1).normal(size=LENGTH)))


@cache
def plucks() -> np.ndarray:
    """Notes that begin anywhere and fade."""
    rng = np.random.default_rng(2)
    struck = np.zeros(LENGTH)
    note = np.exp(-np.arange(RATE) / 12_000)
    at = 0
    while (at := at + int(rng.uniform(4000, 30_000))) + RATE < LENGTH:
        ring = tone(2 * np.pi * 110 * 2 ** (rng.integers(0, 24) / 12) * np.arange(RATE) / RATE)
        struck[at : at + RATE] += rng.uniform(0.3, 1) * note * ring
    return struck


CONTINUOUS: dict[str, Callable[[], np.ndarray]] = {
    "a tone that wanders": lambda: tone(turns()) + hiss(),
    "noise": hiss,
    "plucked notes": plucks,
}


@cache
def naive() -> np.ndarray:
    """The tone, whose phase begins anew with each chunk."""
    rng, phase = np.random.default_rng(3), turns()
    starts = range(0, LENGTH, CHUNK)
    parts = [tone(phase[a : a + CHUNK] - phase[a] + rng.uniform(0, 2 * np.pi)) for a in starts]
    return np.concatenate(parts) + hiss()


@pytest.mark.parametrize("name", CONTINUOUS)
def test_an_uncut_sound_has_no_jumps_at_boundaries(name: str) -> None:
    mean = jump_db(CONTINUOUS[name](), BOUNDARIES)
    assert mean.boundaries >= 200
    assert abs(mean.value) < min(1.0, 3 * mean.error + 0.05)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_the_classifier_only_guesses_boundaries_of_an_uncut_sound(name: str) -> None:
    mean = boundary_auc([(CONTINUOUS[name](), BOUNDARIES)], RATE)
    assert mean.boundaries >= 200
    assert 0.45 < mean.value <= LIKE_GUESSING
    assert mean.error < 0.025


def test_boundaries_of_concatenated_chunks_are_found() -> None:
    assert jump_db(naive(), BOUNDARIES).value > 10
    assert boundary_auc([(naive(), BOUNDARIES)], RATE).value > 0.95
    source = tone(turns()) + hiss()
    assert flux_ratio(naive(), source, BOUNDARIES, RATE).value > 1.5


def test_a_click_is_found_in_quiet_surroundings() -> None:
    sound = plucks().copy()
    sound[BOUNDARIES] += 0.05
    assert jump_db(sound, BOUNDARIES).value > 6


def test_boundaries_where_only_the_timbre_changes_are_found() -> None:
    rng, phase = np.random.default_rng(4), turns()
    starts = range(0, LENGTH, CHUNK)
    bright = np.repeat(rng.uniform(0, 1, len(starts)), CHUNK)
    bright = np.convolve(bright, np.hanning(1024) / np.hanning(1024).sum(), "same")
    sound = 0.1 * np.sin(phase) + 0.1 * bright * np.sin(6 * phase) + hiss()
    assert abs(jump_db(sound, BOUNDARIES).value) < 1
    assert boundary_auc([(sound, BOUNDARIES)], RATE).value > 0.8


def test_a_periodic_pattern_throughout_a_sound_is_no_boundary() -> None:
    every = 4 * 512
    sound = hiss() * (1 + 0.5 * (np.arange(LENGTH) % every < every // 4))
    assert boundary_auc([(sound, BOUNDARIES)], RATE).value > 0.8
    assert boundary_auc([(sound, BOUNDARIES)], RATE, grid=every).value <= LIKE_GUESSING
    assert boundary_auc([(naive(), BOUNDARIES)], RATE, grid=every).value > 0.95


def test_the_flux_ratio_of_an_unchanged_sound_is_one() -> None:
    assert flux_ratio(plucks(), plucks(), BOUNDARIES, RATE).value == pytest.approx(1)
    own = flux_ratio(plucks(), None, BOUNDARIES, RATE)
    assert abs(own.value - 1) < 3 * own.error


@pytest.mark.parametrize("mel", [None, MelBands(128)])
def test_separately_inverted_chunks_match_their_spectra_less_well_at_boundaries(
    mel: MelBands | None,
) -> None:
    spectrum = Spectrum(2048, 512, mel=mel)
    sound = (tone(turns()) + hiss())[: 20 * CHUNK].astype(np.float32)
    magnitudes = stft_magnitudes(sound, spectrum.n_fft, spectrum.hop)
    weights = bands_of(spectrum, RATE) if mel else np.eye(1)
    wanted = weights @ magnitudes**2 if mel else magnitudes
    whole = _inverted(wanted, weights, spectrum)
    size = CHUNK // spectrum.hop
    parts = [_inverted(wanted[:, k : k + size], weights, spectrum) for k in range(0, wanted.shape[1], size)]
    boundaries = BOUNDARIES[:18]
    running = convergence_db(whole, wanted, spectrum, RATE, boundaries)
    apart = convergence_db(np.concatenate(parts), wanted, spectrum, RATE, boundaries)
    assert apart > running + 6
    assert convergence_db(sound, wanted, spectrum, RATE, boundaries) < -90


def _inverted(wanted: np.ndarray, weights: np.ndarray, spectrum: Spectrum) -> np.ndarray:
    """Audio of as many hops as there are frames."""
    frames = wanted.shape[1]
    if spectrum.mel is None:
        return invert(wanted, spectrum.n_fft, spectrum.hop, length=frames * spectrum.hop)
    inverter = MelInverter(weights, spectrum.n_fft, spectrum.hop)
    later = np.zeros((len(wanted), -(-inverter.delay // spectrum.hop)))
    audio = inverter.push(np.concatenate([wanted, later], axis=1))
    return audio[inverter.delay : inverter.delay + frames * spectrum.hop]


def test_a_filter_is_equivariant_and_a_gate_in_chunks_is_not() -> None:
    sound = (tone(turns()) + hiss())[: 6 * CHUNK]
    gate = np.arange(LENGTH) // 4096 % 2

    def late(shift: int) -> np.ndarray:
        return np.concatenate([np.zeros(shift), sound])

    assert equivariance_db(lambda shift: np.asarray(lfilter([1, 0.5], [1], late(shift))), (100, 731)) < -60
    assert equivariance_db(lambda shift: late(shift) * gate[: len(late(shift))], (1024, 2048)) > -10


def test_silence_is_rejected_in_one_sentence() -> None:
    silence = np.zeros(LENGTH // 4)
    spectrum = Spectrum(2048, 512)
    for ask in (
        lambda: jump_db(silence, BOUNDARIES),
        lambda: boundary_auc([(silence, BOUNDARIES)], RATE),
        lambda: flux_ratio(silence, None, BOUNDARIES, RATE),
        lambda: convergence_db(silence, np.zeros((1025, 99)), spectrum, RATE, BOUNDARIES),
        lambda: equivariance_db(lambda shift: silence, (1,)),
    ):
        with pytest.raises(BoundaryError, match=r"^[^.]*silent[^.]*\.$"):
            ask()


def test_too_few_boundaries_are_rejected_in_one_sentence() -> None:
    few = BOUNDARIES[: boundary_metrics.MIN_BOUNDARIES - 1]
    asks: tuple[Callable[[], object], ...] = (
        lambda: jump_db(hiss(), few),
        lambda: boundary_auc([(hiss(), few)], RATE),
        lambda: flux_ratio(hiss(), None, few, RATE),
    )
    for ask in asks:
        with pytest.raises(BoundaryError, match=r"^9 boundaries are audible, but 10 are needed; use more sound\.$"):
            ask()
    with pytest.raises(BoundaryError, match="No boundary"):
        convergence_db(hiss()[:9999], np.ones((1025, 20)), Spectrum(2048, 512), RATE, [LENGTH])


def test_boundaries_in_silence_are_left_out() -> None:
    half = hiss().copy()
    half[LENGTH // 2 :] = 0
    assert jump_db(half, BOUNDARIES).boundaries == pytest.approx(len(BOUNDARIES) / 2, abs=2)
