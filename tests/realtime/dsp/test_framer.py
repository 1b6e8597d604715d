"""Circular buffers keep positions in the stream, and channels are converted."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realtime.dsp.framer import match_channels, write_circular


@given(st.integers(1, 9), st.lists(st.integers(0, 25), max_size=6))
def test_a_circular_buffer_holds_the_end_of_a_stream(size: int, counts: list[int]) -> None:
    memory, at = np.zeros((2, size)), 0
    for count in counts:
        write_circular(memory, at, np.stack([np.arange(at, at + count), -np.arange(at, at + count)]))
        at += count
    last = np.arange(max(at - size, 0), at)
    assert np.array_equal(memory[:, last % size], np.stack([last, -last]))


def test_channels_are_matched() -> None:
    stereo = np.array([[1.0, 2.0], [3.0, 6.0]])
    assert np.array_equal(match_channels(stereo, 1), [[2.0, 4.0]])
    assert np.array_equal(match_channels(stereo, 2), stereo)
    assert np.array_equal(match_channels(stereo, 3), stereo[[0, 1, 0]])
    assert np.array_equal(match_channels(stereo[:1], 2), stereo[[0, 0]])
