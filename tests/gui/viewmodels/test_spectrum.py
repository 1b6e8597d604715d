from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gui.viewmodels.spectrum import (
    CEILING_DB,
    FLOOR_DB,
    MARGIN,
    ColumnRing,
    FrequencyAxis,
    HistoryReader,
    SpectrumAnalysis,
)

RATE = 48_000
ROWS = 400


@pytest.fixture(scope="module")
def analysis() -> SpectrumAnalysis:
    return SpectrumAnalysis(RATE, FrequencyAxis(ROWS))


def sine(frequency: float, count: int, level: float = 1.0) -> np.ndarray:
    return (level * np.sin(2 * np.pi * frequency * np.arange(count) / RATE)).astype(np.float32)


@pytest.mark.parametrize("rows", [160, 333, 400, 1080])
@pytest.mark.parametrize("frequency", [60.0, 100.0, 440.0, 1000.0, 1003.7, 2500.0, 7040.0, 15_000.0])
def test_a_tone_shows_at_its_frequency(frequency: float, rows: int) -> None:
    analysis = SpectrumAnalysis(RATE, FrequencyAxis(rows))
    shown = analysis.decibels(sine(frequency, analysis.n_fft))[0]
    found = float(analysis.axis.frequency(shown.argmax() + 0.5))
    height = found * np.log(analysis.axis.high / analysis.axis.low) / rows  # of a row, in Hz
    assert abs(found - frequency) <= max(analysis.bin_hz, height)


@given(frequency=st.floats(80, 16_000), level_db=st.floats(-60, 0))
@settings(max_examples=50, deadline=None)
def test_the_scale_reads_the_level_of_a_tone(frequency: float, level_db: float) -> None:
    analysis = SpectrumAnalysis(RATE, FrequencyAxis(ROWS))
    shown = analysis.decibels(sine(frequency, analysis.n_fft, 10 ** (level_db / 20))).max()
    assert level_db - 1.6 <= shown <= level_db + 0.2  # a Hann window loses 1.42 dB half-way between bins


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_every_rate_has_rows_without_gaps(rate: int) -> None:
    analysis = SpectrumAnalysis(rate, FrequencyAxis(ROWS))
    noise = np.random.default_rng(0).standard_normal(analysis.n_fft * 8).astype(np.float32)
    mean = analysis.decibels(noise).mean(axis=0)
    assert np.isfinite(mean).all()
    assert np.abs(np.diff(mean)).max() < 12


def test_the_axis_is_its_own_inverse() -> None:
    axis = FrequencyAxis(ROWS)
    for row in (0.0, 17.5, 399.0):
        assert axis.row(float(axis.frequency(row))) == pytest.approx(row)
    assert axis.frequency(0) == pytest.approx(axis.high)
    assert axis.frequency(ROWS) == pytest.approx(axis.low)


def test_silence_and_nan_are_dark(analysis: SpectrumAnalysis) -> None:
    samples = np.zeros(analysis.n_fft, np.float32)
    samples[::7], samples[1::7], samples[2::7] = np.nan, np.inf, -np.inf
    assert not analysis.columns(samples).any()


def test_colours_span_the_scale(analysis: SpectrumAnalysis) -> None:
    middle = 10 ** ((FLOOR_DB + CEILING_DB) / 40)
    frequency = 100 * analysis.bin_hz
    assert analysis.columns(sine(frequency, analysis.n_fft)).max() == 255
    assert int(analysis.columns(sine(frequency, analysis.n_fft, middle)).max()) == pytest.approx(127, abs=2)


class Tape:
    """A history that is written in blocks, as by the callback."""

    def __init__(self, capacity: int = 1 << 16, seed: int = 0) -> None:
        self.history = np.zeros((capacity, 2), np.float32)
        self.clock = 0
        self._seed = seed

    def at(self, start: int, count: int) -> np.ndarray:
        """Return chirps from sample `start`; sample n depends only on n."""
        n = np.arange(start, start + count)
        left = np.sin(2 * np.pi * (0.004 + 0.002 * np.sin(n / 9000 + self._seed)) * n)
        return np.stack([left, 0.5 * np.sin(n * 0.3)], axis=1).astype(np.float32)

    def play(self, count: int) -> None:
        samples = self.at(self.clock, count)[-len(self.history) :]
        self.clock += count
        self.history[np.arange(self.clock - len(samples), self.clock) % len(self.history)] = samples


def ring_after(tape: Tape, polls: list[tuple[int, int]], capacity: int = 64) -> ColumnRing:
    """Play and draw in turns: `polls` contains the samples to play and the maximum of columns to draw."""
    analysis = SpectrumAnalysis(RATE, FrequencyAxis(100))
    reader, ring = HistoryReader(tape.history, analysis.n_fft, analysis.hop), ColumnRing(100, capacity)
    for count, limit in polls:
        tape.play(count)
        if (taken := reader.take(tape.clock, limit)) is not None:
            ring.put(taken[0], analysis.columns(taken[1]))
    while (taken := reader.take(tape.clock, 8)) is not None:
        ring.put(taken[0], analysis.columns(taken[1]))
    return ring


@given(st.lists(st.tuples(st.integers(0, 9000), st.integers(1, 20)), min_size=1, max_size=40))
@settings(max_examples=40, deadline=None)
def test_the_picture_does_not_depend_on_the_times_of_drawing(polls: list[tuple[int, int]]) -> None:
    total = 60_000 + sum(count for count, _ in polls)
    jittery = ring_after(Tape(1 << 20), [*polls, (60_000, 3)])
    steady = ring_after(Tape(1 << 20), [(512, 1)] * (total // 512) + [(total % 512, 1)])
    assert jittery.head == steady.head == (total - 4096) // 512 + 1
    assert np.abs(jittery.latest(64).astype(int) - steady.latest(64)).max() <= 1  # one shade, by rounding
    assert jittery.latest(64).any()


def test_after_a_long_stall_the_picture_continues_at_the_current_sound() -> None:
    analysis, tape = SpectrumAnalysis(RATE, FrequencyAxis(100)), Tape(1 << 16)
    ring = ring_after(tape, [(20_000, 99), (10 * (1 << 16) + 123, 99)], capacity=2048)
    assert ring.head == (tape.clock - analysis.n_fft) // analysis.hop + 1
    kept = ((1 << 16) - MARGIN - analysis.n_fft) // analysis.hop
    shown = ring.latest(2000)
    assert shown[:, -kept:].any(axis=0).all(), "the part that the history still has is there, without gaps"
    assert not shown[:, -2 * kept : -kept - 40].any(), "what was lost is dark, not stale"
    fresh = analysis.columns(tape.at((ring.head - 1) * analysis.hop, analysis.n_fft).mean(axis=1))
    assert np.abs(fresh[:, 0].astype(int) - shown[:, -1]).max() <= 1


def test_samples_that_may_be_overwritten_are_not_read() -> None:
    tape = Tape(1 << 16)
    reader = HistoryReader(tape.history, 4096, 512)
    tape.play(1 << 18)
    taken = reader.take(tape.clock, 1)
    assert taken is not None
    assert taken[0] * 512 >= tape.clock - (1 << 16) + MARGIN


def test_the_picture_restarts_with_the_clock() -> None:
    tape = Tape(1 << 16)
    reader = HistoryReader(tape.history, 4096, 512)
    tape.play(1 << 17)
    assert reader.take(tape.clock, 1000) is not None
    assert reader.take(5000, 10) is not None
    assert reader.next == (5000 - 4096) // 512 + 1


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.integers(1, 32), st.integers(1, 16))
@settings(deadline=None)
def test_the_latest_columns_are_contiguous_across_the_seam(cuts: list[int], capacity: int, width: int) -> None:
    ring, tape = ColumnRing(3, capacity), np.random.default_rng(1).integers(1, 256, (3, sum(cuts)), np.uint8)
    at = 0
    for cut in cuts:
        ring.put(at, tape[:, at : at + cut])
        at += cut
    width = min(width, ring.capacity)
    padded = np.concatenate([np.zeros((3, width), np.uint8), tape], axis=1)
    latest = ring.latest(width)
    assert (latest == padded[:, -width:]).all()
    assert latest.base is not None
    assert latest.strides[1] == 1, "a row is one contiguous read"


def test_another_height_shows_the_same_picture() -> None:
    ring = ColumnRing(4, 8)
    ring.put(0, np.arange(4, dtype=np.uint8)[:, None].repeat(8, axis=1))
    assert ring.resized(8).latest(8)[:, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert ring.resized(2).latest(8)[:, 0].tolist() == [1, 3]
    assert ring.resized(2).head == 8
