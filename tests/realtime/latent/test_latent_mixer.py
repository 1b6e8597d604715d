"""The sources of the latent: how they add up, and that they go on from a state bit for bit."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from export.format.card import Latent, MapPoint
from realtime.latent.latent_map import LatentMap
from realtime.latent.latent_mixer import LatentMixer, LatentMixerState, LatentsError
from realtime.latent.walk import Walk
from realtime.params.table import HOST_ROWS, LATENT_ROWS

OWN = Latent(
    ("a", "b", "c"),
    (10.0, 20.0, 30.0),
    (1.0, 2.0, 3.0),
    (2, 0, 1),
    (
        MapPoint(-1, -1, "low", (9.0, 20.0, 33.0)),
        MapPoint(1, 0, "side", (11.0, 18.0, 30.0)),
        MapPoint(0, 1, "top", (10.0, 24.0, 27.0)),
    ),
)
RATE = 100.0
DEFAULTS = {row.address: row.default for row in (*HOST_ROWS, *LATENT_ROWS)}
ENCODED = np.array([12.0, 17.0, 33.0], np.float32)  # in scores by importance: 1, 2, -1.5


def knobs(**turned: float) -> dict[str, float]:
    """Give all knobs as they stand at first, the walk off, no smoothing, and some turned: `walk_radius` is a name."""
    still = DEFAULTS | {"/walk/radius": 0.0, "/smoothing": 0.0}
    return still | {f"/{name.replace('_', '/')}": value for name, value in turned.items()}


def test_scores_are_ordered_and_scaled_by_the_models_statistics() -> None:
    latents = LatentMixer(OWN, RATE)
    latents.manual[:] = [1.0, -1.0, 0.5]
    assert_allclose(latents.next(knobs()), [10 - 1, 20 + 0.5 * 2, 30 + 1 * 3])
    assert_allclose(latents.scores, [1.0, -1.0, 0.5])


def test_the_live_inputs_latent_passes_as_it_is() -> None:
    latents = LatentMixer(OWN, RATE)
    assert_allclose(latents.next(knobs(input_amount=1.0), ENCODED), ENCODED, rtol=1e-6)
    assert_allclose(latents.scores, [1.0, 2.0, -1.5])
    assert_allclose(latents.next(knobs(input_amount=0.5), ENCODED), [11.0, 18.5, 31.5])


@pytest.mark.parametrize("output", [None, np.array([1.0, np.nan, 0.0])])
def test_no_input_and_an_input_that_is_no_number_add_nothing(output: np.ndarray | None) -> None:
    latents = LatentMixer(OWN, RATE)
    assert_array_equal(latents.next(knobs(input_amount=1.0), output), OWN.mean)


def test_a_place_on_the_map_is_played_by_its_amount() -> None:
    latents = LatentMixer(OWN, RATE)
    assert_allclose(latents.next(knobs(xy_x=0.5, xy_y=1.0, xy_amount=1.0)), [10.0, 24.0, 27.0], atol=1e-3)
    assert_allclose(latents.next(knobs(xy_x=0.5, xy_y=1.0, xy_amount=0.5)), [10.0, 22.0, 28.5], atol=1e-3)
    assert_allclose(latents.next(knobs(xy_x=0.5, xy_y=1.0)), OWN.mean)


@given(st.lists(st.floats(-4, 4), min_size=12, max_size=12), st.floats(0, 1), st.floats(0, 1), st.floats(0, 2))
def test_sources_are_summed_then_scaled_then_biased(
    faders: list[float], amount: float, x: float, loop_amount: float
) -> None:
    latents = LatentMixer(OWN, RATE, seed=3)
    manual, later, scale, bias = np.reshape(faders, (4, 3))
    latents.manual[:] = manual
    for _ in range(3):
        latents.next(knobs(loop_record=1.0))
    latents.manual[:] = later
    latents.next(knobs())
    latents.manual[:], latents.scale[:], latents.bias[:] = 0.5, scale, bias
    latents.walk.seed(3)
    walk, plane = Walk(3, RATE, 3), LatentMap(OWN)
    turned = knobs(
        walk_radius=1.0, walk_speed=50.0, xy_amount=amount, xy_x=x, input_amount=0.3, loop_amount=loop_amount
    )
    for _ in range(4):
        sources = 0.5 + amount * plane.at(x, 0.5) + 0.3 * np.array([1.0, 2.0, -1.5]) + walk.next(50.0, 1.0)
        latents.next(turned, ENCODED)
        assert_allclose(latents.scores, scale * (sources + loop_amount * (manual - later)) + bias, atol=1e-6)


def test_a_gesture_of_all_that_the_performer_steers_repeats() -> None:
    latents, rng = LatentMixer(OWN, RATE), np.random.default_rng(0)
    output = []
    for _ in range(30):
        latents.manual[:] = rng.uniform(-2, 2, 3)
        steered = {"xy_x": rng.random(), "xy_y": rng.random(), "xy_amount": rng.random(), "input_amount": 0.7}
        encoded_now = rng.uniform(0, 30, 3)
        output.append(latents.next(knobs(**steered, loop_record=1.0), encoded_now))
    again = [latents.next(knobs(**steered), encoded_now) for _ in range(60)]
    assert_allclose(again, output * 2, atol=1e-6)


def test_the_walk_continues_beside_the_loop_and_is_not_recorded() -> None:
    latents, walk = LatentMixer(OWN, RATE, 5), Walk(3, RATE, 5)
    for k in range(60):
        latents.next(knobs(walk_radius=1.0, walk_speed=20.0, loop_record=float(k < 20)))
        assert_allclose(latents.scores, walk.next(20.0, 1.0), atol=1e-9)


@given(st.floats(20, 400), st.floats(0.125, 64))
def test_a_walk_with_beats_keeps_the_tempo(tempo: float, beats: float) -> None:
    in_time, by_speed = LatentMixer(OWN, RATE), LatentMixer(OWN, RATE)
    for _ in range(10):
        frame = in_time.next(knobs(walk_radius=1.0, walk_beats=beats, tempo=tempo, walk_speed=3.0))
        assert_array_equal(frame, by_speed.next(knobs(walk_radius=1.0, walk_speed=tempo / 60.0 / beats)))


def test_each_latent_follows_in_its_own_time_and_else_in_that_of_all() -> None:
    latents = LatentMixer(OWN, RATE)
    latents.manual[:] = 1.0
    latents.smoothing_ms[:] = [-1.0, 0.0, 400.0]
    for _ in range(10):  # 100 ms
        latents.next(knobs(smoothing=100.0))
    assert_allclose(latents.scores, [1 - np.exp(-1), 1.0, 1 - np.exp(-0.25)], atol=1e-9)


def test_a_jump_skips_the_smoothing() -> None:
    latents = LatentMixer(OWN, RATE)
    latents.manual[:], latents.scale[:], latents.bias[:] = [1, 2, 3], [2, 1, -1], 0.5
    turned = knobs(xy_amount=1.0, smoothing=1000.0, walk_radius=1.0)
    latents.jump(turned)
    latents.next(turned)
    assert_allclose(latents.scores, np.array([2, 1, -1]) * (np.array([1, 2, 3]) + LatentMap(OWN).at(0.5, 0.5)) + 0.5)


BOOLS = st.sampled_from([0.0, 1.0])
KNOBS = st.fixed_dictionaries(
    {
        "/smoothing": st.sampled_from([0.0, 30.0]),
        "/tempo": st.floats(20, 400),
        "/walk/speed": st.floats(0, 20),
        "/walk/radius": st.floats(0, 4),
        "/walk/kind": st.sampled_from([0.0, 1.0, 2.0]),
        "/walk/beats": st.sampled_from([0.0, 0.25, 4.0]),
        "/xy/x": st.floats(0, 1),
        "/xy/y": st.floats(0, 1),
        "/xy/amount": st.floats(0, 1),
        "/loop/record": st.sampled_from([0.0, 0.0, 0.0, 1.0]),
        "/loop/overdub": BOOLS,
        "/loop/play": BOOLS,
        "/loop/speed": st.floats(-4, 4),
        "/loop/amount": st.floats(0, 2),
        "/input/amount": st.floats(0, 2),
    }
)
PLAYING = st.lists(st.tuples(KNOBS, st.integers(1, 8), st.floats(-6, 6), st.booleans()), max_size=6)
Playing = list[tuple[dict[str, float], int, float, bool]]


def play(latents: LatentMixer, playing: Playing) -> np.ndarray:
    """Turn knobs, and leave each for some frames."""
    made = []
    for turned, frames, fader, input_is_on in playing:
        latents.manual[0] = fader
        made += [latents.next(turned, ENCODED if input_is_on else None) for _ in range(frames)]
    return np.array(made)


def with_a_loop(playing: Playing, seed: int = 0) -> LatentMixer:
    """Record a few frames, and play with them."""
    latents = LatentMixer(OWN, 5.0, seed)
    play(latents, [(knobs(loop_record=1.0), 4, 0.0, False), (knobs(loop_record=1.0), 4, 1.0, False), *playing])
    return latents


def through_a_file(state: LatentMixerState) -> LatentMixerState:
    """Save a state, and read it again."""
    meta, arrays = state.pack()
    return LatentMixerState.unpack(
        json.loads(json.dumps(meta, allow_nan=False)), [np.frombuffer(array.tobytes()) for array in arrays]
    )


@settings(deadline=None)
@given(PLAYING, PLAYING, PLAYING, st.integers(0, 2**31 - 1))
def test_from_a_saved_state_the_same_knobs_make_the_same_frames_bit_for_bit(
    before: Playing, meanwhile: Playing, after: Playing, seed: int
) -> None:
    latents, twin = with_a_loop(before, seed), with_a_loop(meanwhile, seed + 1)
    doing = twin.loop.snapshot()
    twin.loop = copy.deepcopy(latents.loop)  # what is recorded in it is no part of the state
    twin.loop.restore(doing)
    twin.restore(through_a_file(latents.snapshot()))
    assert_array_equal(twin.scores, latents.scores)
    assert_array_equal(play(twin, after), play(latents, after))


@settings(deadline=None)
@given(PLAYING, PLAYING)
def test_playing_on_doesnt_change_a_state(before: Playing, after: Playing) -> None:
    latents = with_a_loop(before)
    state = latents.snapshot()
    saved = copy.deepcopy(state.pack())
    play(latents, after)
    assert state.pack()[0] == saved[0]
    for array, kept in zip(state.pack()[1], saved[1], strict=True):
        assert_array_equal(array, kept)


def test_a_state_leaves_the_faders_and_the_loops_content_alone() -> None:
    latents = LatentMixer(OWN, RATE)
    empty = latents.snapshot()
    latents.manual[:] = [1, 2, 3]
    for record in (1.0, 1.0, 0.0):
        latents.next(knobs(loop_record=record))
    latents.restore(empty)
    assert_array_equal(latents.manual, [1, 2, 3])
    assert (latents.loop.mode, latents.loop.length) == ("stopped", 2)


def test_a_state_of_another_model_is_refused() -> None:
    with pytest.raises(LatentsError, match="3 latents, and the model has 2"):
        LatentMixer(Latent.plain(2), RATE).restore(LatentMixer(OWN, RATE).snapshot())


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("walk",), None),
        (("walk", "at"), -1.0),
        (("walk", "at"), float("nan")),
        (("loop", "at"), float("inf")),
        (("loop", "at"), "here"),
        (("loop", "mode"), "dancing"),
        (("loop", "overdub"), {"before": 0.0}),
        (("loop", "overdub"), {"before": 0.0, "behind": 0.5}),
        (("loop", "unknown"), 1),
    ],
)
def test_an_invalid_state_is_refused(where: tuple[str, ...], value: Any) -> None:
    latents = LatentMixer(OWN, RATE)
    for record in (1.0, 0.0, 0.0):
        latents.next(knobs(loop_record=record, loop_overdub=1.0))
    meta, arrays = latents.snapshot().pack()
    *parents, last = where
    inner = meta
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    with pytest.raises(LatentsError):
        LatentMixerState.unpack(meta, arrays)


@pytest.mark.parametrize("spoil", ["cut", "nan", "shape", "push"])
def test_arrays_and_generators_that_are_none_are_refused_and_change_nothing(spoil: str) -> None:
    latents = LatentMixer(OWN, RATE)
    play(latents, [(knobs(walk_radius=1.0), 5, 1.0, False)])
    twin = copy.deepcopy(latents)
    meta, arrays = copy.deepcopy(latents.snapshot().pack())
    if spoil == "cut":
        arrays.pop()
    elif spoil == "nan":
        arrays[1][0] = np.nan
    elif spoil == "shape":
        arrays[1] = np.zeros(4)
    else:
        meta["walk"]["push"] = {"bit_generator": "PCG64", "state": {}}
    with pytest.raises(LatentsError):
        latents.restore(LatentMixerState.unpack(meta, arrays))
    turned: Playing = [(knobs(walk_radius=1.0, walk_kind=2.0), 5, 1.0, False)]
    assert_array_equal(play(latents, turned), play(twin, turned))
