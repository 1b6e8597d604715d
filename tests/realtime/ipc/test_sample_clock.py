"""Which sample of the clock a time is, from looks at a clock that goes up in blocks."""

from __future__ import annotations

import time

import pytest

from realtime.ipc.sample_clock import SampleClock

RATE, BLOCK = 48_000, 256


class Device:
    """A clock that goes up by blocks, and may leave some out."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.left_out = 1000.0, 0
        self.timing = SampleClock(self)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "time", lambda: self.now + 1.7e9)

    def __getitem__(self, name: str) -> int:
        clock = int((self.now - 1000.0) * RATE) // BLOCK * BLOCK - self.left_out
        return {"sample_rate": RATE, "largest_block": BLOCK, "clock": clock}[name]

    def look_for(self, seconds: float, every: float = 0.0097) -> None:
        """Look on and on."""
        until = self.now + seconds
        while self.now < until:
            self.now += every
            self.timing.observe()

    def error(self, ahead: float) -> float:
        """By how much the sample of a time ahead is told too late."""
        true = (self.now + ahead - 1000.0) * RATE - self.left_out
        return self.timing.sample_at(self.now + 1.7e9 + ahead) - true


def test_a_time_is_told_to_a_part_of_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device(monkeypatch)
    for _ in range(100):
        device.look_for(0.237)
        assert abs(device.error(0.25)) < BLOCK / 4
        assert abs(device.error(-3.0)) < BLOCK / 4


def test_one_look_is_good_to_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device(monkeypatch)
    device.now += 0.123
    assert -BLOCK <= device.error(0.25) <= 0


def test_blocks_that_were_left_out_are_taken_in(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device(monkeypatch)
    device.look_for(1.0)
    device.left_out = 4 * BLOCK
    assert abs(device.error(0.25)) <= BLOCK  # at once, to a block
    device.look_for(0.3)
    assert abs(device.error(0.25)) < BLOCK / 4
    device.left_out += 64  # too little to be told from a callback that is late
    device.look_for(0.3)
    assert abs(device.error(0.25)) < BLOCK / 4
