"""Values of a control's positions, and loudness of velocities."""

from dataclasses import replace

import pytest

from realtime.midi.curves import to_loudness, to_value
from tests.realtime.midi.stage import row

LEVEL = replace(row("/loudness", -90, -6), unit="dBFS")


def test_velocity_sets_the_level_below_the_maximum() -> None:
    assert to_loudness(LEVEL, 1.0) == -6.0
    assert to_loudness(LEVEL, 0.5) == pytest.approx(-6.0 - 12.04, abs=0.01)
    assert to_loudness(LEVEL, 0.0) == -90.0
    assert to_loudness(LEVEL, 1e-9) == -90.0


def test_a_loudness_in_another_unit_is_linear_in_the_velocity() -> None:
    plain = replace(LEVEL, unit="")
    assert to_loudness(plain, 0.5) == to_value(plain, 0.5) == -48.0
