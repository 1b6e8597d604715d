"""Conversion of time to sample positions, from readings of a clock that advances by blocks."""

from __future__ import annotations

import time

import pytest

from realtime.ipc.sample_clock import SampleClock

RATE, BLOCK = 48_000, 256


class Device:
    """A clock that advances by blocks, and may drop some."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.dropped = 1000.0, 0
        self.timing = SampleClock(self)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "time", lambda: self.now + 1.7e9)

    def __getitem__(self, name: str) -> int:
        clock = int((self.now - 1000.0) * RATE) // BLOCK * BLOCK - self.dropped
        return {"sample_rate": RATE, "largest_block": BLOCK, "clock": clock}[name]

    def observe_for(self, seconds: float, every: float = 0.0097) -> None:
        """Read the clock regularly."""
        until = self.now + seconds
        while self.now < until:
            self.now += every
            self.timing.observe()

    def error(self, ahead: float) -> float:
        """Return the error in samples of a time that is `ahead` seconds in the future."""
        true = (self.now + ahead - 1000.0) * RATE - self.dropped
        return self.timing.sample_at(self.now + 1.7e9 + ahead) - true


def test_a_time_is_converted_to_within_a_quarter_of_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device(monkeypatch)
    for _ in range(100):
        device.observe_for(0.237)
        assert abs(device.error(0.25)) < BLOCK / 4
        assert abs(device.error(-3.0)) < BLOCK / 4


def test_one_reading_is_exact_to_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device(monkeypatch)
    device.now += 0.123
    assert -BLOCK <= device.error(0.25) <= 0


def test_dropped_blocks_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device(monkeypatch)
    device.observe_for(1.0)
    device.dropped = 4 * BLOCK
    assert abs(device.error(0.25)) <= BLOCK  # at once, to a block
    device.observe_for(0.3)
    assert abs(device.error(0.25)) < BLOCK / 4
    device.dropped += 64  # too little to be distinguished from a late callback
    device.observe_for(0.3)
    assert abs(device.error(0.25)) < BLOCK / 4
