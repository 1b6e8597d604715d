"""The map: a sound's own place gives that sound, and the way between places is without steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.format.card import Latent, MapPoint
from export.format.io import load
from realtime.latent.latent_map import SOFTNESS, LatentMap, places

ZOO = Path(__file__).parents[3] / "models" / "zoo"
COORDINATES = st.floats(-1, 1, width=32)
UNIT = st.floats(0, 1)


def latent(points: list[tuple[float, float, list[float]]], size: int = 2) -> Latent:
    """Make a latent that is played as the model has it."""
    plain = Latent.plain(size)
    return Latent(
        plain.names, plain.mean, plain.std, plain.order, tuple(MapPoint(x, y, "", tuple(z)) for x, y, z in points)
    )


MAPS = st.lists(st.tuples(COORDINATES, COORDINATES, st.lists(st.floats(-5, 5), min_size=2, max_size=2)), max_size=30)


def test_the_map_is_played_in_standard_scores_by_importance() -> None:
    own = MapPoint(0.3, 0.4, "", (11.0, 16.0, 36.0))
    plane = LatentMap(Latent(("a", "b", "c"), (10.0, 20.0, 30.0), (1.0, 2.0, 3.0), (2, 0, 1), (own,)))
    np.testing.assert_allclose(plane.at(0.5, 0.5), [2.0, 1.0, -2.0])


def test_left_right_bottom_and_top_are_the_edges_of_the_map() -> None:
    plane = LatentMap(latent([(-0.8, -0.1, [1, 0]), (0.2, -0.1, [2, 0]), (-0.8, 0.3, [3, 0]), (0.2, 0.3, [4, 0])]))
    corners = [plane.at(x, y)[0] for x, y in ((0, 0), (1, 0), (0, 1), (1, 1))]
    np.testing.assert_allclose(corners, [1, 2, 3, 4], atol=1e-6)
    np.testing.assert_allclose(plane.at(0.5, 0.5)[0], 2.5, atol=1e-9)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=40, unique=True),
    st.integers(0, 2**32 - 1),
)
def test_a_map_point_gives_its_own_latent(cells: list[tuple[int, int]], seed: int) -> None:
    own = np.random.default_rng(seed).uniform(-3, 3, (len(cells), 2))
    known = latent([(x / 20, y / 20, list(z)) for (x, y), z in zip(cells, own, strict=True)])
    found = [LatentMap(known).at(x, y) for x, y in places(known.map)]
    np.testing.assert_allclose(found, own, atol=1e-3)


@settings(deadline=None)
@given(MAPS, UNIT, UNIT, st.floats(-1e-4, 1e-4), st.floats(-1e-4, 1e-4))
def test_a_small_move_makes_a_small_change(
    points: list[tuple[float, float, list[float]]], x: float, y: float, dx: float, dy: float
) -> None:
    plane = LatentMap(latent(points))
    change = np.abs(plane.at(x + dx, y + dy) - plane.at(x, y)).max()
    reach = np.ptp([z for *_, z in points], axis=0).max() if points else 0.0
    # No weight 1 / (d² + s²)² changes faster, for its size, than by 2 / s.
    assert change <= reach * np.expm1(4 / SOFTNESS * np.hypot(dx, dy)) + 1e-9


@given(MAPS, UNIT, UNIT)
def test_every_position_is_within_the_range_of_the_sounds(
    points: list[tuple[float, float, list[float]]], x: float, y: float
) -> None:
    found = LatentMap(latent(points)).at(x, y)
    own = np.array([z for *_, z in points]) if points else np.zeros((1, 2))
    assert (found >= own.min(axis=0) - 1e-9).all()
    assert (found <= own.max(axis=0) + 1e-9).all()


def test_without_a_map_every_position_gives_zeros() -> None:
    np.testing.assert_array_equal(LatentMap(Latent.plain(3)).at(0.2, 0.9), np.zeros(3))


def test_one_sound_is_everywhere() -> None:
    plane = LatentMap(latent([(0.7, -0.3, [1.5, -2.0])]))
    for x, y in ((0, 0), (0.5, 0.5), (1, 0.2)):
        np.testing.assert_allclose(plane.at(x, y), [1.5, -2.0])


def test_sounds_at_one_place_are_mixed() -> None:
    plane = LatentMap(latent([(0, 0, [1, 0]), (0, 0, [3, 0]), (1, 1, [9, 0])]))
    np.testing.assert_allclose(plane.at(0, 0), [2, 0], atol=1e-6)


@pytest.mark.parametrize("upright", [False, True])
def test_sounds_on_a_line_are_played_along_it_wherever_one_is_across_it(upright: bool) -> None:
    plane = LatentMap(latent([(0.2, k / 2, [k, 0]) if upright else (k / 2, 0.2, [k, 0]) for k in range(3)]))
    for along in (0.0, 0.3, 0.5, 1.0):
        found = [plane.at(*((across, along) if upright else (along, across)))[0] for across in (0.0, 0.5, 1.0)]
        assert found[0] == found[1] == found[2]
        if along in (0.0, 0.5, 1.0):
            assert found[0] == pytest.approx(2 * along, abs=1e-4)


def test_the_bundled_models_map_gives_its_sounds() -> None:
    _, card = load(ZOO / "orchestra.onnx")
    known = card.latent
    own = (np.array([point.latent for point in known.map]) - known.mean) / known.std
    own = own[:, list(known.order)]
    spots = places(known.map)
    np.testing.assert_allclose([spots.min(), spots.max()], [0, 1])
    plane = LatentMap(known)
    off = np.abs([plane.at(x, y) for x, y in spots] - own).max(axis=1)
    assert np.median(off) < 1e-3
    assert np.mean(off < 0.05) > 0.95  # the others lie as good as upon a neighbour
