"""Pickup: no control makes its parameter jump."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.midi.controls.mapping import Mapping
from realtime.midi.controls.mapping_source import Source
from realtime.midi.controls.pickup import TOLERANCE, Pickup
from tests.realtime.midi.test_mapping import CC21, cc, mapped, play

POSITION = st.floats(0, 1)


@given(POSITION, st.lists(POSITION, min_size=1, max_size=50))
def test_a_control_picks_up_its_parameter_only_where_it_meets_or_passes_it(parameter: float, way: list[float]) -> None:
    pickup = Pickup()
    for k, here in enumerate(way):
        had = pickup.engaged
        has = pickup.move(here, parameter)
        met = abs(here - parameter) <= TOLERANCE
        crossed = k > 0 and min(way[k - 1], here) <= parameter <= max(way[k - 1], here)
        assert has == (had or met or crossed)


def test_a_fader_waits_passes_and_must_pass_again_after_a_change_from_elsewhere() -> None:
    midi, stage = mapped(Mapping(CC21, "/level"))
    stage.values["/level"] = 0.5
    play(midi, cc(10), cc(30))
    assert stage.times("/level") == 0
    play(midi, cc(100))  # jumped across
    assert stage.get("/level") == pytest.approx(100 / 127)
    play(midi, cc(101))
    assert stage.get("/level") == pytest.approx(101 / 127)
    stage.values["/level"] = 0.1  # the window
    play(midi, cc(102))
    assert stage.get("/level") == 0.1


def test_two_faders_take_turns_on_one_parameter() -> None:
    midi, stage = mapped(Mapping(CC21, "/level"))
    midi.map(Mapping(Source("cc", 22), "/level"))
    play(midi, cc(0), cc(100), cc(0, 22), cc(50, 22))
    assert stage.get("/level") == pytest.approx(100 / 127)
    play(midi, cc(120, 22))
    assert stage.get("/level") == pytest.approx(120 / 127)
    play(midi, cc(90))
    assert stage.get("/level") == pytest.approx(120 / 127)


def test_a_fader_keeps_an_integer_parameter_through_its_whole_range() -> None:
    midi, stage = mapped(Mapping(CC21, "/voices"))
    play(midi, *(cc(k) for k in range(128)))
    assert stage.get("/voices") == 8


def test_without_pickup_a_fader_takes_over_at_once() -> None:
    midi, stage = mapped(Mapping(CC21, "/level", pickup=False))
    stage.values["/level"] = 1.0
    play(midi, cc(0))
    assert stage.get("/level") == 0.0
