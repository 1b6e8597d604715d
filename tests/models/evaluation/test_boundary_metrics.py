"""Figures of stitches: nothing is found where nothing was cut, and what was cut is found."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from scipy.signal import lfilter

from export.format.card import MelBands, Spectrum
from export.format.mel_scale import bands_of
from models.evaluation import boundary_metrics as stitches
from models.evaluation.boundary_classifier import detected
from models.evaluation.boundary_metrics import StitchError, convergence_db, equivariance_db, flux_ratio, jump_db
from realtime.dsp.mel_inversion import MelInverter
from realtime.dsp.rtpghi import invert, stft_magnitudes

RATE, CHUNK = 48_000, 20_480
BORDERS = list(range(CHUNK, 221 * CHUNK, CHUNK))
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
def test_a_sound_that_was_never_cut_bends_no_more_at_borders_than_elsewhere(name: str) -> None:
    told = jump_db(CONTINUOUS[name](), BORDERS)
    assert told.borders >= 200
    assert abs(told.value) < min(1.0, 3 * told.error + 0.05)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_borders_of_a_sound_that_was_never_cut_are_guessed(name: str) -> None:
    told = detected([(CONTINUOUS[name](), BORDERS)], RATE)
    assert told.borders >= 200
    assert 0.45 < told.value <= LIKE_GUESSING
    assert told.error < 0.025


def test_chunks_set_end_to_end_are_found() -> None:
    assert jump_db(naive(), BORDERS).value > 10
    assert detected([(naive(), BORDERS)], RATE).value > 0.95
    source = tone(turns()) + hiss()
    assert flux_ratio(naive(), source, BORDERS, RATE).value > 1.5


def test_a_click_is_found_however_quiet_its_surroundings_are() -> None:
    sound = plucks().copy()
    sound[BORDERS] += 0.05
    assert jump_db(sound, BORDERS).value > 6


def test_borders_are_found_where_only_the_timbre_steps() -> None:
    rng, phase = np.random.default_rng(4), turns()
    starts = range(0, LENGTH, CHUNK)
    bright = np.repeat(rng.uniform(0, 1, len(starts)), CHUNK)
    bright = np.convolve(bright, np.hanning(1024) / np.hanning(1024).sum(), "same")
    sound = 0.1 * np.sin(phase) + 0.1 * bright * np.sin(6 * phase) + hiss()
    assert abs(jump_db(sound, BORDERS).value) < 1
    assert detected([(sound, BORDERS)], RATE).value > 0.8


def test_a_grid_that_goes_through_all_of_a_sound_is_no_border() -> None:
    every = 4 * 512
    sound = hiss() * (1 + 0.5 * (np.arange(LENGTH) % every < every // 4))
    assert detected([(sound, BORDERS)], RATE).value > 0.8
    assert detected([(sound, BORDERS)], RATE, grid=every).value <= LIKE_GUESSING
    assert detected([(naive(), BORDERS)], RATE, grid=every).value > 0.95


def test_a_sound_changes_as_much_as_its_source_where_nothing_was_done_to_it() -> None:
    assert flux_ratio(plucks(), plucks(), BORDERS, RATE).value == pytest.approx(1)
    own = flux_ratio(plucks(), None, BORDERS, RATE)
    assert abs(own.value - 1) < 3 * own.error


@pytest.mark.parametrize("mel", [None, MelBands(128)])
def test_chunks_inverted_apart_are_further_from_their_spectra_at_borders_than_one_running_phase(
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
    borders = BORDERS[:18]
    running = convergence_db(whole, wanted, spectrum, RATE, borders)
    apart = convergence_db(np.concatenate(parts), wanted, spectrum, RATE, borders)
    assert apart > running + 6
    assert convergence_db(sound, wanted, spectrum, RATE, borders) < -90


def _inverted(wanted: np.ndarray, weights: np.ndarray, spectrum: Spectrum) -> np.ndarray:
    """Audio of as many hops as there are frames."""
    frames = wanted.shape[1]
    if spectrum.mel is None:
        return invert(wanted, spectrum.n_fft, spectrum.hop, length=frames * spectrum.hop)
    inverter = MelInverter(weights, spectrum.n_fft, spectrum.hop)
    later = np.zeros((len(wanted), -(-inverter.delay // spectrum.hop)))
    audio = inverter.push(np.concatenate([wanted, later], axis=1))
    return audio[inverter.delay : inverter.delay + frames * spectrum.hop]


def test_what_does_the_same_at_any_time_is_equivariant_and_what_works_in_chunks_is_not() -> None:
    sound = (tone(turns()) + hiss())[: 6 * CHUNK]
    gate = np.arange(LENGTH) // 4096 % 2

    def late(shift: int) -> np.ndarray:
        return np.concatenate([np.zeros(shift), sound])

    assert equivariance_db(lambda shift: np.asarray(lfilter([1, 0.5], [1], late(shift))), (100, 731)) < -60
    assert equivariance_db(lambda shift: late(shift) * gate[: len(late(shift))], (1024, 2048)) > -10


def test_silence_is_refused_in_one_sentence() -> None:
    silence = np.zeros(LENGTH // 4)
    spectrum = Spectrum(2048, 512)
    for ask in (
        lambda: jump_db(silence, BORDERS),
        lambda: detected([(silence, BORDERS)], RATE),
        lambda: flux_ratio(silence, None, BORDERS, RATE),
        lambda: convergence_db(silence, np.zeros((1025, 99)), spectrum, RATE, BORDERS),
        lambda: equivariance_db(lambda shift: silence, (1,)),
    ):
        with pytest.raises(StitchError, match=r"^[^.]*silent[^.]*\.$"):
            ask()


def test_too_few_borders_are_refused_in_one_sentence() -> None:
    few = BORDERS[: stitches.LEAST_BORDERS - 1]
    asks: tuple[Callable[[], object], ...] = (
        lambda: jump_db(hiss(), few),
        lambda: detected([(hiss(), few)], RATE),
        lambda: flux_ratio(hiss(), None, few, RATE),
    )
    for ask in asks:
        with pytest.raises(StitchError, match=r"^9 borders can be heard, and 10 are needed; take more sound\.$"):
            ask()
    with pytest.raises(StitchError, match="No border"):
        convergence_db(hiss()[:9999], np.ones((1025, 20)), Spectrum(2048, 512), RATE, [LENGTH])


def test_borders_in_silence_do_not_count() -> None:
    half = hiss().copy()
    half[LENGTH // 2 :] = 0
    assert jump_db(half, BORDERS).borders == pytest.approx(len(BORDERS) / 2, abs=2)
