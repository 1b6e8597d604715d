"""Tempo and timestamps despite jitter."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from realtime.midi.clock import Clock
from realtime.midi.midi import Midi
from realtime.midi.ports.port_client import Incoming
from realtime.midi.ports.timestamps import Timestamps
from tests.realtime.midi.stage import Stage


def ticks(
    bpm: float, count: int, *, jitter: float = 0.0, lost: float = 0.0, seed: int = 0, start: float = 0.0
) -> list[float]:
    dice = random.Random(seed)
    times = [start + k * 60 / (24 * bpm) for k in range(count)]
    return [max(at + dice.uniform(-jitter, jitter), 0.0) for at in times if dice.random() >= lost]


@settings(max_examples=60, deadline=None)
@given(st.floats(40, 240), st.integers(0, 1000))
@example(209.0, 560)  # two ticks are lost where jitter brings their neighbours near
def test_the_tempo_is_found_through_jitter_and_lost_ticks(bpm: float, seed: int) -> None:
    clock = Clock()
    for at in ticks(bpm, 240, jitter=0.001, lost=0.03, seed=seed):
        clock.tick(at)
    assert clock.bpm == pytest.approx(bpm, rel=0.015)


@pytest.mark.parametrize(("first", "then"), [(120, 60), (60, 120), (120, 121), (100, 173), (173, 100), (120, 90)])
def test_a_new_tempo_is_followed(first: float, then: float) -> None:
    clock = Clock()
    reported = [clock.tick(at) for at in ticks(first, 97)]
    assert clock.bpm == pytest.approx(first)
    last = 96 * 60 / (24 * first)
    new = ticks(then, 97, start=last + 60 / (24 * then))
    reported += [clock.tick(at) for at in new[:32]]
    assert clock.bpm == pytest.approx(then, rel=0.02)
    reported += [clock.tick(at) for at in new[32:]]
    assert clock.bpm == pytest.approx(then, rel=1e-6)
    assert [one for one in reported if one][-1] == pytest.approx(then, rel=1e-3)


def test_a_steady_tempo_is_reported_once() -> None:
    clock = Clock()
    assert len([one for one in map(clock.tick, ticks(120, 500)) if one]) == 1


def test_a_clock_that_pauses_is_measured_from_the_start() -> None:
    clock = Clock()
    for at in [*ticks(120, 50), *ticks(90, 50, start=1000.0)]:
        clock.tick(at)
    assert clock.bpm == pytest.approx(90)


def test_the_song_position_is_followed() -> None:
    clock = Clock()
    clock.start()
    for at in ticks(120, 48):
        clock.tick(at)
    assert clock.quarters == 2.0
    clock.stop()
    clock.tick(1.0)
    assert clock.quarters == 2.0
    clock.seek(16)
    clock.resume()
    assert (clock.quarters, clock.running) == (4.0, True)


def test_tempo_and_transport_follow_the_first_of_two_clocks() -> None:
    tempos: list[float] = []
    places: list[tuple[bool, float]] = []
    midi = Midi(Stage(), tempo=tempos.append, transport=lambda *place: places.append(place))
    both = [(at, 0) for at in ticks(120, 100, start=5)] + [(at, 1) for at in ticks(77, 60, start=5.001)]
    midi.receive([Incoming(4.9, 0, b"\xfa")])
    midi.receive([Incoming(at, port, b"\xf8") for at, port in sorted(both)])
    midi.receive([Incoming(9.0, 0, b"\xfc")])
    assert tempos == pytest.approx([120.0])
    assert places[0] == (True, 0.0)
    assert places[-1][0] is False


@given(
    st.lists(st.tuples(st.floats(0, 0.2), st.floats(0, 0.03)), min_size=1, max_size=200),
    st.floats(0, 2e9),
)
@example([(0.14959905209505403, 0.015625), (0.004707756309179347, 0.0)], 8.0)  # sums differ in their last bit
def test_timestamps_are_in_order_and_never_in_the_future(gaps: list[tuple[float, float]], began: float) -> None:
    stamps = Timestamps()
    true, now, last = began, began, 0.0
    for gap, late in gaps:
        true += gap
        now = max(true + late, now)
        at = stamps.next(gap, now)
        assert last <= at <= now
        last = at


def test_the_jitter_of_polling_is_removed() -> None:
    dice = random.Random(1)
    stamps = Timestamps()
    errors = []
    for k in range(1, 5000):
        true = 0.01 * k
        errors.append(stamps.next(0.01, true + dice.uniform(0.0, 0.004)) - true)
    settled = errors[500:]
    assert max(settled) - min(settled) < 0.0005  # of the 4 ms that polling is late by


def test_timestamps_follow_a_system_clock_that_is_set_back() -> None:
    stamps = Timestamps()
    stamps.next(0.0, 1000.0)
    assert stamps.next(1.0, 501.0) <= 501.0
    assert stamps.next(1.0, 502.0) == pytest.approx(502.0)
