"""A deck's sound without its process: knobs in, audio out, and never a step that the model didn't make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.contract import Latent
from realtime.engine import Engine
from realtime.latents import BROWNIAN, SPHERICAL, Latents, Walk


def play(engine: Engine, frames: int) -> np.ndarray:
    return np.concatenate([engine.next() for _ in range(frames)], axis=1)


def still(engine: Engine) -> Engine:
    """Turn the walk off."""
    engine.apply(engine.table["/walk/radius"].index, 0.0)
    return engine


def test_a_latent_is_heard_at_its_value(models: dict[str, Path]) -> None:
    engine = still(Engine(models["level"], 48_000))
    engine.apply(engine.table["/smoothing"].index, 0.0)
    engine.apply(engine.table["/latent/1"].index, 2.5)
    np.testing.assert_allclose(play(engine, 3), 0.25, atol=1e-6)
    np.testing.assert_allclose(engine.latents.scores[0], 2.5, atol=1e-9)


def test_a_step_of_a_latent_is_smoothed_over_its_time(models: dict[str, Path]) -> None:
    engine = still(Engine(models["level"], 48_000))
    engine.apply(engine.table["/smoothing"].index, 100.0)
    engine.apply(engine.table["/latent/1"].index, 1.0)
    levels = play(engine, 375)[0, ::128] / 0.1  # one second
    assert np.all(np.diff(levels) >= 0)
    assert levels[37] == pytest.approx(1 - np.exp(-1), abs=0.02)  # 100 ms
    assert levels[-1] == pytest.approx(1.0, abs=1e-3)


def test_scores_are_ordered_and_scaled_by_the_models_statistics() -> None:
    latents = Latents(Latent(("a", "b", "c"), (10.0, 20.0, 30.0), (1.0, 2.0, 3.0), (2, 0, 1)), 100.0)
    latents.manual[:] = [1.0, -1.0, 0.5]
    latents.jump()
    frame = latents.next(smoothing_ms=0, speed=0, radius=0)
    np.testing.assert_allclose(frame, [10 - 1, 20 + 0.5 * 2, 30 + 1 * 3])
    np.testing.assert_allclose(latents.scores, [1.0, -1.0, 0.5])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31 - 1))
def test_a_walk_is_the_same_for_the_same_seed_and_moves_gently(seed: int) -> None:
    walks = [Walk(3, 200.0, seed) for _ in range(2)]
    paths = [np.array([walk.next(0.5, 1.0) for _ in range(2000)]) for walk in walks]
    np.testing.assert_array_equal(*paths)
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


def test_a_latent_goes_through_its_scale_and_bias_and_then_the_smoothing(models: dict[str, Path]) -> None:
    engine = still(Engine(models["level"], 48_000))
    for address, value in (("/smoothing", 0), ("/latent/1", 2), ("/latent/1/scale", -0.5), ("/latent/1/bias", 3)):
        engine.apply(engine.table[address].index, value)
    np.testing.assert_allclose(play(engine, 2), 0.2, atol=1e-6)
    engine.apply(engine.table["/smoothing"].index, 50.0)
    engine.apply(engine.table["/latent/1/bias"].index, 1.0)
    heard = play(engine, 4)[0, ::128]
    assert 0.1 < heard[-1] < heard[0] < 0.2


def test_seeds_and_events_make_the_same_sound_again(models: dict[str, Path]) -> None:
    heard = []
    for _ in range(2):
        engine = Engine(models["bundled"], 48_000, seed=7)
        engine.apply(engine.table["/latent/1"].index, 1.0)
        first = play(engine, 30)
        engine.apply(engine.table["/latent/2"].index, -1.0)
        heard.append(np.concatenate([first, play(engine, 30)], axis=1))
    np.testing.assert_array_equal(*heard)
    assert np.abs(heard[0]).max() > 1e-3


def test_the_bundled_model_sounds_by_itself_at_a_level_to_play_at(models: dict[str, Path]) -> None:
    audio = play(Engine(models["bundled"], 48_000), 400)[0, 9600:]
    assert np.isfinite(audio).all()
    assert -35 < 20 * np.log10(np.sqrt(np.mean(audio**2))) < -6
    assert np.abs(audio).max() <= 1.0


def test_a_model_that_gives_no_numbers_is_silent_and_comes_back(models: dict[str, Path]) -> None:
    engine = still(Engine(models["level"], 48_000))
    engine.apply(engine.table["/smoothing"].index, 0.0)
    engine.apply(engine.table["/latent/1"].index, 4.0)
    before = play(engine, 4)
    step = engine.decoder.step
    engine.decoder.step = lambda latent, controls: np.full_like(step(latent, controls), np.nan)  # type: ignore[method-assign]
    broken = play(engine, 4)
    engine.decoder.step = step  # type: ignore[method-assign]
    after = play(engine, 4)
    heard = np.concatenate([before, broken, after], axis=1)[0]
    assert engine.nonfinite == 4
    assert np.isfinite(heard).all()
    np.testing.assert_allclose(before, 0.4, atol=1e-6)
    np.testing.assert_array_equal(broken[0, 128:], 0.0)
    assert np.abs(np.diff(heard)).max() < 0.4 / 40, "the break is heard as a step"
    np.testing.assert_allclose(after[0, 256:], 0.4, atol=1e-6)


def test_a_reset_never_steps(models: dict[str, Path]) -> None:
    engine = still(Engine(models["level"], 48_000))
    engine.apply(engine.table["/latent/1"].index, 4.0)
    play(engine, 300)
    engine.apply(engine.table["/reset"].index, 1.0)
    heard = play(engine, 5)[0]
    assert heard.min() < 0.01
    assert np.abs(np.diff(heard)).max() < 0.4 / 40


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_a_model_sounds_at_its_pitch_at_any_rate_of_the_stream(models: dict[str, Path], rate: int) -> None:
    engine = still(Engine(models["tone"], rate))
    audio = play(engine, 500)[0][rate // 2 :]
    assert len(audio) > rate
    spectrum = np.abs(np.fft.rfft(audio[:rate] * np.hanning(rate)))
    assert spectrum.argmax() == pytest.approx(1000, abs=1)
    assert engine.delay >= engine.decoder.delay * rate / 48_000 - 1


def test_what_is_no_parameter_or_no_number_changes_nothing(models: dict[str, Path]) -> None:
    engine = still(Engine(models["level"], 48_000))
    for parameter, value in ((-1, 1.0), (10_000, 1.0), (engine.table["/latent/1"].index, float("nan"))):
        engine.apply(parameter, value)
    np.testing.assert_array_equal(play(engine, 10), 0.0)


def test_controls_reach_the_graph_and_move_smoothly(models: dict[str, Path]) -> None:
    engine = still(Engine(models["tone"], 48_000))
    play(engine, 60)
    engine.apply(engine.table["/loudness"].index, -40.0)
    play(engine, 100)
    audio = play(engine, 60)[0]
    assert 20 * np.log10(np.sqrt(np.mean(audio**2))) == pytest.approx(-40, abs=2)
