"""Rings lose nothing, keep the order, and show no entry before it is complete."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.ipc import rings
from realtime.ipc.memory_layout import EVENT, INDEX_WORDS, READ, WRITE


def take(indices: np.ndarray, ring: np.ndarray, channels: int, frames: int) -> np.ndarray:
    """Read frames as the callback does."""
    read, capacity = int(indices[READ]), ring.size // channels
    at = (read + np.arange(frames)) % capacity
    out = ring.reshape(capacity, channels)[at].T.copy()
    indices[READ] = read + frames
    return out


@settings(deadline=None)  # the first example may have to wait for the compiler
@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=60), channels=st.integers(1, 2))
def test_audio_is_read_as_it_was_written(sizes: list[int], channels: int) -> None:
    indices, ring = np.zeros(INDEX_WORDS, np.int64), np.zeros(64 * channels, np.float32)
    sent, got, count = [], [], 0
    for size in sizes:
        audio = (np.arange(size * channels, dtype=np.float32) + count).reshape(channels, size)
        count += size * channels
        while not rings.push_audio(indices, ring, channels, audio):
            got.append(take(indices, ring, channels, min(7, rings.fill(indices))))
        sent.append(audio)
    got.append(take(indices, ring, channels, rings.fill(indices)))
    np.testing.assert_array_equal(np.concatenate(got, axis=1), np.concatenate(sent, axis=1))


def test_a_full_ring_refuses_audio_and_keeps_its_own() -> None:
    indices, ring = np.zeros(INDEX_WORDS, np.int64), np.zeros(16, np.float32)
    assert rings.push_audio(indices, ring, 1, np.ones((1, 16), np.float32))
    assert not rings.push_audio(indices, ring, 1, np.full((1, 1), 2, np.float32))
    assert rings.fill(indices) == 16
    np.testing.assert_array_equal(ring, 1)


def test_events_cross_threads_whole_and_in_order() -> None:
    indices, events = np.zeros(INDEX_WORDS, np.int64), np.zeros(64, EVENT)
    got: list[Any] = []
    total, into = 20_000, np.zeros(64, EVENT)

    def write() -> None:
        for n in range(total):
            while not rings.push_events(indices, events, np.array([(n, 2 * n, 3.0 * n)], EVENT)):
                pass

    writer = threading.Thread(target=write)
    writer.start()
    while len(got) < total:
        count = rings.pop_events(indices, events, into)
        got += into[:count].tolist()
    writer.join()
    assert got == [(n, 2 * n, 3.0 * n) for n in range(total)]


def test_events_of_a_batch_are_seen_together() -> None:
    indices, events, into = np.zeros(INDEX_WORDS, np.int64), np.zeros(64, EVENT), np.zeros(64, EVENT)
    seen = 0

    def write() -> None:
        for n in range(5000):
            while not rings.push_events(indices, events, np.array([(n, k, 0.0) for k in range(7)], EVENT)):
                pass

    writer = threading.Thread(target=write)
    writer.start()
    while seen < 7 * 5000:
        count = int(rings.pop_events(indices, events, into))
        assert count % 7 == 0
        assert into["parameter"][:count].tolist() == list(range(7)) * (count // 7)
        seen += count
    writer.join()
    assert not rings.push_events(indices, events, np.zeros(65, EVENT))
    assert rings.fill(indices) == 0


def test_a_full_event_ring_refuses_events() -> None:
    indices, events = np.zeros(INDEX_WORDS, np.int64), np.zeros(4, EVENT)
    assert [bool(rings.push_events(indices, events, np.array([(0, n, 0.0)], EVENT))) for n in range(6)] == [
        True
    ] * 4 + [False] * 2
    assert indices[WRITE] == 4
