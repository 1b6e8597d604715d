"""Morphs: each corner exactly, and between them no step in what can be without one."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from realtime.params.table import Parameter, row
from realtime.snapshots.morph import Morph, TimedRecall, Values, weights
from realtime.snapshots.snapshot import DeckSnapshot, Snapshot, SnapshotError
from realtime.snapshots.store import Snapshots
from tests.realtime.snapshots.test_store import PLAIN, rows_of

ROWS = Snapshots().rows(PLAIN)
UNIT = st.floats(0, 1)
PLACES = [(0, 0), (1, 0), (0, 1), (1, 1)]
STEPS = {address for address, one in ROWS.items() if one.kind in ("int", "bool")}
SMOOTH = sorted(set(ROWS) - STEPS)
LOG = "/a/fx/1/cutoff"


def snapshot(values: dict[str, float]) -> Snapshot:
    """Make a snapshot of whole addresses."""
    decks = {
        letter: DeckSnapshot("x", "", {a[2:]: v for a, v in values.items() if a.startswith(f"/{letter}/")})
        for letter in "ab"
    }
    return Snapshot("x", 1, {a: v for a, v in values.items() if not a.startswith(("/a/", "/b/"))}, decks)


def blend(corners: list[Snapshot], x: float, y: float, rows: dict[str, Parameter]) -> Values:
    """Every value at a position between corners."""
    return Morph(corners, rows).at(x, y)


def values_of(address: str) -> st.SearchStrategy[float]:
    return st.floats(ROWS[address].minimum, ROWS[address].maximum).map(ROWS[address].clip)


EVERYTHING = st.fixed_dictionaries({address: values_of(address) for address in ROWS})
SOME_ADDRESSES = [LOG, "/gain", "/crossfade", "/a/latent/1", "/a/walk/kind", "/a/walk/seed", "/b/loop/play", "/b/pitch"]
SOME = st.fixed_dictionaries({}, optional={address: values_of(address) for address in SOME_ADDRESSES})
FEW = st.fixed_dictionaries({address: values_of(address) for address in SOME_ADDRESSES})


@given(st.integers(2, 4), UNIT, UNIT)
def test_weights_are_shares_of_one(corners: int, x: float, y: float) -> None:
    found = weights(corners, x, y)
    assert len(found) == corners
    assert min(found) >= 0
    assert sum(found) == pytest.approx(1, abs=1e-12)


@given(st.lists(SOME, min_size=2, max_size=4), st.data())
def test_a_corner_gives_exactly_its_values(sets: list[dict[str, float]], data: st.DataObject) -> None:
    morph = Morph([snapshot(values) for values in sets], ROWS)
    shown: dict[str, float] = {}
    for _ in range(3):  # wherever one comes from
        shown |= dict(morph.at(data.draw(UNIT), data.draw(UNIT)))
    k = data.draw(st.integers(0, len(sets) - 1))
    shown |= dict(morph.at(*PLACES[k]))
    assert {address: shown[address] for address in sets[k]} == sets[k]


@given(st.lists(EVERYTHING, min_size=4, max_size=4))
def test_every_row_can_be_part_of_a_corner(sets: list[dict[str, float]]) -> None:
    corners = [snapshot(values) for values in sets]
    for place, values in zip(PLACES, sets, strict=True):
        assert dict(blend(corners, *place, ROWS)) == values


@given(st.lists(FEW, min_size=2, max_size=4), UNIT, UNIT, UNIT, UNIT)
def test_a_small_move_is_a_small_change(sets: list[dict[str, float]], x: float, y: float, u: float, v: float) -> None:
    corners = [snapshot(values) for values in sets]
    one, other = dict(blend(corners, x, y, ROWS)), dict(blend(corners, u, v, ROWS))
    way = abs(x - u) + abs(y - v)
    for address in set(sets[0]) - STEPS:
        heights = [values[address] for values in sets]
        travel = math.log if address == LOG else float
        most = travel(max(heights)) - travel(min(heights))
        assert abs(travel(one[address]) - travel(other[address])) <= most * way * (1 + 1e-9) + 1e-9


@given(st.lists(SOME, min_size=2, max_size=4), UNIT, UNIT)
def test_values_are_between_those_of_the_corners(sets: list[dict[str, float]], x: float, y: float) -> None:
    corners = [snapshot(values) for values in sets]
    for address, value in blend(corners, x, y, ROWS):
        heights = [values[address] for values in sets if address in values]
        assert min(heights) <= value <= max(heights)
        assert address not in STEPS or value in heights


@given(st.lists(SOME, min_size=3, max_size=3), UNIT, UNIT)
def test_of_three_corners_the_third_is_the_whole_upper_edge(sets: list[dict[str, float]], x: float, y: float) -> None:
    assume(min(weights(4, x, y)) == 0 or min(weights(4, x, y)) > 1e-9)
    a, b, c = (snapshot({k: v for k, v in values.items() if k not in STEPS}) for values in sets)
    three, four = dict(blend([a, b, c], x, y, ROWS)), dict(blend([a, b, c, c], x, y, ROWS))
    assert three == pytest.approx(four, rel=1e-9, abs=1e-9)


@given(FEW, FEW, UNIT, UNIT)
def test_of_two_corners_y_is_without_effect(one: dict[str, float], other: dict[str, float], x: float, y: float) -> None:
    corners = [snapshot(one), snapshot(other)]
    assert blend(corners, x, y, ROWS) == blend(corners, x, 0.0, ROWS)


def test_the_middle_is_the_mean_and_on_a_logarithmic_row_the_geometric_one() -> None:
    corners = [snapshot({LOG: 100.0, "/gain": -20.0}), snapshot({LOG: 10_000.0, "/gain": 0.0})]
    assert dict(blend(corners, 0.5, 0.0, ROWS)) == {LOG: pytest.approx(1000.0), "/gain": -10.0}


def test_switches_numbers_and_seeds_are_those_of_the_nearest_corner() -> None:
    sets = [{"/a/walk/seed": k * 1000.0, "/a/walk/kind": k % 3.0, "/a/loop/play": k % 2.0} for k in range(4)]
    corners = [snapshot(values) for values in sets]
    for (x, y), k in {(0.5, 0.5): 0, (0.6, 0.5): 1, (0.5, 0.6): 2, (0.6, 0.6): 3, (0.4, 0.5): 0}.items():
        assert dict(blend(corners, x, y, ROWS)) == sets[k]
    assert dict(blend(corners[1:3], 0.5, 0.0, ROWS)) == sets[1]


def test_a_logarithmic_row_with_a_corner_at_zero_is_interpolated_linearly() -> None:
    rows = {"/depth": row("/depth", "float", 0, 100, 0, "ms", "host", "How deep.", curve="log")}
    corners = [snapshot({"/depth": 0.0}), snapshot({"/depth": 10.0})]
    assert blend(corners, 0.25, 0.0, rows) == [("/depth", 2.5)]


def test_a_seed_is_never_between_two_even_where_it_is_a_float() -> None:
    rows = {"/grain/seed": row("/grain/seed", "float", 0, 100, 0, "", "host", "Where it begins.")}
    corners = [snapshot({"/grain/seed": 1.0}), snapshot({"/grain/seed": 2.0})]
    assert blend(corners, 0.4, 0.0, rows) == [("/grain/seed", 1.0)]


def test_a_parameter_of_some_corners_is_interpolated_between_those() -> None:
    a, b, c, d = snapshot({}), snapshot({"/gain": -10.0}), snapshot({"/gain": -20.0}), snapshot({})
    morph = Morph([a, b, c, d], ROWS)
    assert morph.at(0, 0) == []  # neither weighs anything
    assert dict(morph.at(0.5, 0.5)) == {"/gain": -15.0}
    assert dict(morph.at(1, 0)) == {"/gain": -10.0}
    assert morph.at(1, 1) == []
    assert dict(morph.at(0.5, 0.75)) == {"/gain": pytest.approx(-17.5)}


def test_only_values_that_changed_are_returned() -> None:
    corners = [snapshot({"/gain": -10.0, "/crossfade": 0.3}), snapshot({"/gain": 0.0, "/crossfade": 0.3})]
    morph = Morph(corners, ROWS)
    assert morph.at(0.5) == [("/gain", -5.0), ("/crossfade", 0.3)]
    assert morph.at(0.5) == []
    assert dict(morph.at(0.7)) == pytest.approx({"/gain": -3.0})
    assert Morph(corners, ROWS, {"/gain": -5.0, "/crossfade": 0.1}).at(0.5) == [("/crossfade", 0.3)]


def test_a_corner_is_clipped_to_the_current_ranges_and_excluded_parameters_are_never_set() -> None:
    corners = [snapshot({"/gain": 900.0, "/mute": 1.0, "/a/latent/9": 1.0}), snapshot({"/gain": 0.0, "/mute": 0.0})]
    assert blend(corners, 0.0, 0.0, ROWS) == [("/gain", 12.0)]


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_morph_has_two_to_four_corners(count: int) -> None:
    with pytest.raises(SnapshotError, match="2 to 4"):
        Morph([snapshot({})] * count, ROWS)


def test_corners_without_a_parameter_of_the_stage_set_nothing() -> None:
    assert blend([snapshot({"/x": 1.0}), snapshot({})], 0.5, 0.5, ROWS) == []
    assert blend([snapshot({"/gain": 1.0})] * 2, 0.5, 0.5, {}) == []


def test_a_large_stage_is_one_morph() -> None:
    rows = Snapshots().rows({"a": rows_of(256), "b": rows_of(256)})
    corners = [snapshot({a: one.clip(k * 1.0) for a, one in rows.items()}) for k in range(4)]
    assert {a for a, _ in blend(corners, 0.3, 0.3, rows)} == rows.keys()


# Timed recalls


@given(FEW, SOME, st.lists(st.floats(0, 12), max_size=6).map(sorted), st.floats(0, 10))
def test_a_timed_recall_ends_exactly_at_its_goal(
    now: dict[str, float], goal: dict[str, float], times: list[float], length: float
) -> None:
    timed = TimedRecall(snapshot(now), snapshot(goal), ROWS, began=5.0, length=length)
    shown = dict(now)
    for time in times:
        shown |= dict(timed.at(5.0 + time))
    shown |= dict(timed.at(5.0 + length + 1e-9))
    assert timed.done
    assert shown == now | goal


def test_a_timed_recall_starts_at_the_current_values_and_is_linear() -> None:
    timed = TimedRecall(snapshot({"/gain": -10.0}), snapshot({"/gain": 0.0}), ROWS, began=100.0, length=4.0)
    assert timed.at(100.0) == []
    assert timed.at(101.0) == [("/gain", -7.5)]
    assert not timed.done
    assert timed.at(104.0) == [("/gain", 0.0)]
    assert timed.done


def test_a_timed_recall_without_a_time_is_a_step_that_sets_only_what_differs() -> None:
    now, goal = {"/gain": -10.0, "/a/walk/seed": 3.0}, {"/gain": 0.0, "/a/walk/seed": 3.0}
    timed = TimedRecall(snapshot(now), snapshot(goal), ROWS, began=0.0, length=0.0)
    assert timed.at(0.0) == [("/gain", 0.0)]
    assert timed.done


def test_a_timed_recall_releases_a_parameter_that_is_moved_by_hand() -> None:
    start, goal = {"/gain": -10.0, "/crossfade": 0.0}, {"/gain": 0.0, "/crossfade": 1.0}
    timed = TimedRecall(snapshot(start), snapshot(goal), ROWS, began=0.0, length=1.0)
    timed.release("/gain")
    assert timed.at(0.5) == [("/crossfade", 0.5)]
    assert timed.at(1.0) == [("/crossfade", 1.0)]
