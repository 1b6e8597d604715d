"""Resampling, live: any cut gives the same, tones keep their pitch and level, and little is held back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.dsp.resampler import Resampler

PAIRS = [(44_100, 48_000), (48_000, 44_100), (48_000, 96_000), (96_000, 44_100), (24_000, 48_000), (48_000, 47_999.5)]


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(PAIRS), st.lists(st.integers(0, 700), min_size=1, max_size=12))
def test_any_cut_gives_the_same_samples(pair: tuple[float, float], cuts: list[int]) -> None:
    audio = np.random.default_rng(0).standard_normal((2, sum(cuts))).astype(np.float32)
    whole = Resampler(*pair, 2).push(audio)
    one = Resampler(*pair, 2)
    ends = np.cumsum(cuts)
    pieces = np.concatenate([one.push(audio[:, end - n : end]) for n, end in zip(cuts, ends, strict=True)], axis=1)
    np.testing.assert_array_equal(pieces, whole)


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("hertz", [100.0, 1000.0, 10_000.0])
def test_a_tone_keeps_its_level_and_position(pair: tuple[float, float], hertz: float) -> None:
    given_rate, wanted = pair
    audio = np.sin(2 * np.pi * hertz * np.arange(round(given_rate / 4)) / given_rate).astype(np.float32)
    output = Resampler(given_rate, wanted, 1).push(audio[None])[0]
    expected = np.sin(2 * np.pi * hertz * np.arange(len(output)) / wanted)
    error = (output - expected)[1000:]
    assert 10 * np.log10(np.mean(error**2) * 2) < -80


def test_frequencies_above_the_lower_nyquist_are_removed() -> None:
    audio = np.sin(2 * np.pi * 26_000 * np.arange(24_000) / 96_000).astype(np.float32)
    output = Resampler(96_000, 44_100, 1).push(audio[None])[0]
    assert np.abs(output[1000:]).max() < 1e-3


@pytest.mark.parametrize("pair", PAIRS)
def test_the_delay_is_half_the_filter(pair: tuple[float, float]) -> None:
    resampler, taken, given_back = Resampler(*pair, 1), 0, 0
    for _ in range(1000):
        given_back += resampler.push(np.zeros((1, 128), np.float32)).shape[1]
        taken += 128
        assert 0 <= taken * pair[1] / pair[0] - given_back <= resampler.delay + 1
    assert resampler.delay / pair[1] < 1.5e-3
