"""Walks: the same for the same seed, gentle, in time with the tempo."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.latent.walk import BROWNIAN, LINEAR, SPHERICAL, Walk, pace, spherical

SEEDS = st.integers(0, 2**31 - 1)
KINDS = st.sampled_from([LINEAR, SPHERICAL, BROWNIAN])
SPEEDS = st.lists(st.floats(0, 20), min_size=1, max_size=30)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_a_walk_is_the_same_for_the_same_seed_and_moves_gently(seed: int) -> None:
    walks = [Walk(3, 200.0, seed) for _ in range(2)]
    paths = [np.array([walk.next(0.5, 1.0) for _ in range(2000)]) for walk in walks]
    np.testing.assert_array_equal(paths[0], paths[1])
    np.testing.assert_array_equal(paths[0][0], 0.0)
    assert np.abs(np.diff(paths[0], axis=0)).max() < 0.05
    assert paths[0].std() > 0.1
    other = Walk(3, 200.0, (seed + 1) % 2**31)
    assert np.abs(np.array([other.next(0.5, 1.0) for _ in range(2000)]) - paths[0]).max() > 0.1


@pytest.mark.parametrize("kind", [SPHERICAL, BROWNIAN])
def test_other_walks_are_seeded_too_and_have_their_own_ways(kind: int) -> None:
    first, again = (Walk(8, 200.0, 5) for _ in range(2))
    path = np.array([first.next(0.5, 1.0, kind) for _ in range(20_000)])
    np.testing.assert_array_equal(path, [again.next(0.5, 1.0, kind) for _ in range(20_000)])
    distance = np.linalg.norm(path[2000:], axis=1)
    if kind == SPHERICAL:
        np.testing.assert_allclose(distance, np.sqrt(8), rtol=1e-6)
    else:
        assert path[2000:].std() == pytest.approx(1.0, abs=0.35)
        assert distance.std() > 0.2
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    assert steps.max() < 0.8
    assert steps[2000:].min() > 0


def test_a_walk_in_time_is_at_its_next_point_after_its_beats() -> None:
    rate, tempo, beats = 100.0, 150.0, 2.0
    in_time, by_speed = Walk(4, rate, 3), Walk(4, rate, 3)
    speed = pace(0.25, tempo, beats)
    frames = round(beats * 60.0 / tempo * rate)
    path = [in_time.next(speed, 1.0) for _ in range(4 * frames + 1)]
    points = [by_speed.next(rate, 1.0) for _ in range(5)]  # a point a frame
    np.testing.assert_allclose(path[::frames], points, atol=1e-9)


def test_without_beats_a_walk_goes_by_its_speed() -> None:
    assert pace(0.25, 150.0, 0.0) == 0.25


@settings(deadline=None)
@given(tempos=st.lists(st.floats(20, 400), min_size=2, max_size=60), kind=st.sampled_from([LINEAR, SPHERICAL]))
def test_a_new_tempo_never_jumps_along_the_way(tempos: list[float], kind: int) -> None:
    walk, fastest = Walk(2, 100.0, 1), Walk(2, 100.0, 1)
    limit = max(np.abs(np.diff([fastest.next(pace(0, 400.0, 1.0), 1.0, kind) for _ in range(300)], axis=0)).max(), 1e-9)
    path = np.array([walk.next(pace(0, tempo, 1.0), 1.0, kind) for tempo in tempos])
    assert np.abs(np.diff(path, axis=0)).max() <= 1.5 * limit


@given(beats=st.floats(min_value=0, exclude_min=True, max_value=1e-3), kind=KINDS)
def test_no_walk_goes_faster_than_a_step_a_frame(beats: float, kind: int) -> None:
    walk, fast = Walk(2, 100.0), Walk(2, 100.0)
    for _ in range(5):
        np.testing.assert_array_equal(walk.next(pace(0, 400.0, beats), 1.0, kind), fast.next(100.0, 1.0, kind))


@settings(deadline=None)
@given(seed=SEEDS, kinds=st.lists(KINDS, min_size=1, max_size=20), before=SPEEDS, after=SPEEDS)
def test_a_restored_walk_goes_the_same_way(
    seed: int, kinds: list[int], before: list[float], after: list[float]
) -> None:
    def go(walk: Walk, speeds: list[float]) -> list[np.ndarray]:
        return [walk.next(speed, 1.0, kinds[k % len(kinds)]) for k, speed in enumerate(speeds)]

    walk, twin = Walk(3, 20.0, seed), Walk(3, 20.0, seed + 1)
    go(walk, before)
    go(twin, after)
    state = walk.snapshot()
    way = go(walk, after)
    twin.restore(state)
    np.testing.assert_array_equal(go(twin, after), way)
    walk.restore(state)
    np.testing.assert_array_equal(go(walk, after), way)


@given(seed=SEEDS, kind=KINDS)
def test_a_seed_starts_the_walk_again(seed: int, kind: int) -> None:
    walk = Walk(2, 10.0, seed)
    way = [walk.next(3.0, 1.0, kind) for _ in range(12)]
    walk.seed(seed)
    np.testing.assert_array_equal([walk.next(3.0, 1.0, kind) for _ in range(12)], way)


@given(speeds=SPEEDS, kind=KINDS)
def test_looking_where_a_walk_is_doesnt_move_it(speeds: list[float], kind: int) -> None:
    looked, left = Walk(2, 10.0), Walk(2, 10.0)
    for speed in speeds:
        np.testing.assert_array_equal(looked.next(speed, 1.0, kind), left.next(speed, 1.0, kind))
        np.testing.assert_array_equal(looked.place(2.0, kind), looked.place(2.0, kind))


def test_an_arc_between_points_of_equal_norm_keeps_the_norm_and_the_pace() -> None:
    rng = np.random.default_rng(0)
    begin, end = rng.standard_normal((2, 16))
    end *= np.linalg.norm(begin) / np.linalg.norm(end)
    path = [spherical(begin, end, t) for t in np.linspace(0, 1, 11)]
    assert np.linalg.norm(path, axis=1) == pytest.approx(np.linalg.norm(begin))
    assert np.allclose(path[0], begin)
    assert np.allclose(path[-1], end)
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    assert steps == pytest.approx(steps[0])


def test_from_the_centre_the_path_is_straight() -> None:
    end = np.array([1.0, 2.0, -1.0])
    assert np.allclose(spherical(np.zeros(3), end, 0.25), end / 4)
