"""Reading the live input: on and on, and over from one place to another without a step."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realtime.dsp.input_reader import InputReader

RATE = 48_000


def clockwork(samples: np.ndarray) -> np.ndarray:
    """An input whose samples are their own numbers, in hundredths, and silent before its beginning."""
    return np.where(samples >= 0, samples / 100, 0).astype(np.float32)[None]


def test_before_the_first_jump_it_reads_silence() -> None:
    hearing = InputReader(clockwork, RATE)
    assert not hearing.read(100).any()
    assert hearing.at is None


@given(st.lists(st.integers(1, 400), min_size=1))
def test_reads_are_contiguous(counts: list[int]) -> None:
    hearing = InputReader(clockwork, RATE)
    hearing.jump(1000)
    hearing.read(hearing.fade)
    output = np.concatenate([hearing.read(count)[0] for count in counts])
    np.testing.assert_array_equal(output, clockwork(1048 + np.arange(sum(counts)))[0])


@given(st.integers(0, 20_000), st.integers(48, 400))
def test_a_jump_crossfades_from_the_old_position_to_the_new(to: int, count: int) -> None:
    hearing = InputReader(clockwork, RATE)
    hearing.jump(10_000)
    hearing.read(100)
    hearing.jump(to)
    output = hearing.read(count)[0]
    share = (np.arange(48) + 0.5) / 48
    old, new = clockwork(10_100 + np.arange(48))[0], clockwork(to + np.arange(48))[0]
    np.testing.assert_allclose(output[:48], old * (1 - share) + new * share, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(output[48:], clockwork(to + np.arange(48, count))[0])
    assert hearing.at == to + count
