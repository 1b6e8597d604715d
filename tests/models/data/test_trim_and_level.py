import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.data.trim_and_level import Preparation, loudness_lufs, prepare, trim


def sine(rate: int, seconds: float, level: float = 1.0, hz: float = 997.0) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000, 96_000])
def test_a_sine_at_full_scale_has_the_loudness_of_the_standard_at_every_rate(rate: int) -> None:
    assert loudness_lufs(sine(rate, 3.0), rate) == pytest.approx(-3.01, abs=0.05)
    assert loudness_lufs(sine(rate, 3.0, 0.1), rate) == pytest.approx(-23.01, abs=0.05)


def test_low_tones_are_less_loud_and_high_ones_more() -> None:
    low, middle, high = (loudness_lufs(sine(48_000, 2.0, hz=hz), 48_000) for hz in (30.0, 1_000.0, 5_000.0))
    assert low < middle - 5
    assert high == pytest.approx(middle + 3.3, abs=0.5)


def test_pauses_do_not_make_a_sound_softer() -> None:
    audio = np.concatenate([sine(48_000, 2.0), np.zeros(240_000, np.float32)])
    assert loudness_lufs(audio, 48_000) == pytest.approx(-3.01, abs=0.5)


@pytest.mark.parametrize("seconds", [0.05, 0.3, 5.0])
def test_sounds_of_any_length_reach_the_target_loudness(seconds: float) -> None:
    made = prepare(sine(48_000, seconds, 0.01), 48_000, Preparation(loudness_lufs=-18.0))
    assert loudness_lufs(made, 48_000) == pytest.approx(-18.0, abs=0.3)


def test_silence_is_trimmed_only_at_both_ends() -> None:
    rate = 48_000
    tone, gap = sine(rate, 0.5, 0.3), np.zeros(rate // 2, np.float32)
    made = trim(np.concatenate([gap, tone, gap, tone, gap]), rate, 60.0)
    assert len(made) == pytest.approx(1.5 * rate, abs=0.08 * rate)
    middle = made[round(0.6 * rate) : round(0.9 * rate)]
    assert not middle.any()


def test_noise_below_the_threshold_counts_as_silence() -> None:
    rate = 48_000
    hiss = (1e-4 * np.random.default_rng(0).standard_normal(rate)).astype(np.float32)
    audio = np.concatenate([hiss, sine(rate, 1.0, 0.5) + hiss, hiss])
    assert len(trim(audio, rate, 60.0)) < 1.2 * rate
    assert len(trim(audio, rate, 90.0)) == len(audio)


@given(st.integers(0, 5_000), st.floats(0, 0.999))
def test_silence_and_very_short_sounds_stay_finite(length: int, level: float) -> None:
    made = prepare(np.full(length, level, np.float32), 48_000, Preparation())
    assert np.isfinite(made).all()
    assert len(made) <= max(length, 0)
