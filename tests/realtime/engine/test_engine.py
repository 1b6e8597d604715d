"""A deck's sound without its process: events in, audio out, and no steps but the model's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.format.io import load, save
from realtime.engine.engine import Engine
from realtime.engine.state import EngineState, StateError
from realtime.ipc.memory_layout import CAPTURE, RAMP, RESTORE


def play(engine: Engine, frames: int) -> np.ndarray:
    return np.concatenate([engine.next() for _ in range(frames)], axis=1)


def still(engine: Engine) -> Engine:
    """Switch the walk off."""
    engine.apply(engine.table["/walk/radius"].index, 0.0)
    return engine


def test_a_latent_reaches_the_decoder_at_its_value(models: dict[str, Path]) -> None:
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


def test_scale_and_bias_of_a_latent_act_before_its_smoothing(models: dict[str, Path]) -> None:
    engine = still(Engine(models["level"], 48_000))
    for address, value in (("/smoothing", 0), ("/latent/1", 2), ("/latent/1/scale", -0.5), ("/latent/1/bias", 3)):
        engine.apply(engine.table[address].index, value)
    np.testing.assert_allclose(play(engine, 2), 0.2, atol=1e-6)
    engine.apply(engine.table["/smoothing"].index, 50.0)
    engine.apply(engine.table["/latent/1/bias"].index, 1.0)
    played = play(engine, 4)[0, ::128]
    assert 0.1 < played[-1] < played[0] < 0.2


def test_the_same_seed_and_events_give_the_same_samples(models: dict[str, Path]) -> None:
    played = []
    for _ in range(2):
        engine = Engine(models["bundled"], 48_000, seed=7)
        engine.apply(engine.table["/latent/1"].index, 1.0)
        first = play(engine, 30)
        engine.apply(engine.table["/latent/2"].index, -1.0)
        played.append(np.concatenate([first, play(engine, 30)], axis=1))
    np.testing.assert_array_equal(played[0], played[1])
    assert np.abs(played[0]).max() > 1e-3


def test_the_bundled_model_plays_by_itself_at_a_useful_level(models: dict[str, Path]) -> None:
    audio = play(Engine(models["bundled"], 48_000), 400)[0, 9600:]
    assert np.isfinite(audio).all()
    assert -35 < 20 * np.log10(np.sqrt(np.mean(audio**2))) < -6
    assert np.abs(audio).max() <= 1.0


def test_a_model_that_gives_nan_is_silent_and_recovers(models: dict[str, Path]) -> None:
    engine = still(Engine(models["level"], 48_000))
    engine.apply(engine.table["/smoothing"].index, 0.0)
    engine.apply(engine.table["/latent/1"].index, 4.0)
    before = play(engine, 4)
    step = engine.decoder.step
    engine.decoder.step = lambda given, controls: np.full_like(step(given, controls), np.nan)  # type: ignore[method-assign]
    broken = play(engine, 4)
    engine.decoder.step = step  # type: ignore[method-assign]
    after = play(engine, 4)
    played = np.concatenate([before, broken, after], axis=1)[0]
    assert engine.nonfinite == 4
    assert np.isfinite(played).all()
    np.testing.assert_allclose(before, 0.4, atol=1e-6)
    np.testing.assert_array_equal(broken[0, 128:], 0.0)
    assert np.abs(np.diff(played)).max() < 0.4 / 40, "the break is a step in the output"
    np.testing.assert_allclose(after[0, 256:], 0.4, atol=1e-6)


def test_a_reset_makes_no_step(models: dict[str, Path]) -> None:
    engine = still(Engine(models["tone"], 48_000))
    before = play(engine, 100)[0, 9600:]
    engine.apply(engine.table["/reset"].index, 1.0)
    played = np.concatenate([before, play(engine, 40)[0]])
    own = np.abs(np.diff(before)).max()
    assert np.abs(np.diff(played)).max() < 1.5 * own
    np.testing.assert_allclose(np.abs(played[-2400:]).max(), np.abs(before).max(), rtol=0.05)


def test_a_parameter_is_ramped_in_its_time_unless_it_is_set_meanwhile(models: dict[str, Path]) -> None:
    engine = still(Engine(models["level"], 48_000))
    engine.apply(engine.table["/smoothing"].index, 0.0)
    engine.apply(RAMP, 100.0)
    engine.apply(engine.table["/latent/1"].index, 3.75)
    engine.apply(engine.table["/walk/kind"].index, 2)
    engine.apply(RAMP, 0.0)
    levels = play(engine, 50)[0, ::128] / 0.1
    np.testing.assert_allclose(levels[:38], 3.75 * np.arange(1, 39) / 38, atol=1e-5)  # 37.5 frames are 100 ms
    np.testing.assert_allclose(levels[38:], 3.75, atol=1e-6)
    engine.apply(RAMP, 1000.0)
    engine.apply(engine.table["/latent/1"].index, 0.0)
    engine.apply(RAMP, 0.0)
    play(engine, 10)
    engine.apply(engine.table["/latent/1"].index, 1.0)
    np.testing.assert_allclose(play(engine, 10), 0.1, atol=1e-6)


def test_a_ramp_of_a_seed_restarts_the_walk_once(models: dict[str, Path]) -> None:
    engine, plain = Engine(models["level"], 48_000, seed=1), Engine(models["level"], 48_000, seed=1)
    for one in (engine, plain):
        one.apply(one.table["/walk/speed"].index, 20.0)
    engine.apply(RAMP, 200.0)  # 75 frames, with the seed's own in the middle
    engine.apply(engine.table["/walk/seed"].index, 9)
    engine.apply(RAMP, 0.0)
    np.testing.assert_array_equal(play(engine, 30), play(plain, 30))
    begun = play(engine, 60)
    assert len(np.unique(begun[0, ::128])) > 50, "the walk stood still"


@pytest.mark.parametrize("name", ["bundled", "tone", "mel"])
def test_a_restored_state_gives_the_same_sound(models: dict[str, Path], name: str) -> None:
    engine = Engine(models[name], 48_000, seed=3)
    play(engine, 50)
    engine.apply(CAPTURE, 1)
    then = play(engine, 40)
    engine.states[2] = EngineState.from_bytes(engine.states[1].to_bytes())
    play(engine, 33)
    for number in (1, 2):
        engine.apply(RESTORE, number)
        again = play(engine, 40)
        np.testing.assert_array_equal(again[:, engine.hop :], then[:, engine.hop :])  # the first hop crossfades to it


def test_bytes_that_are_no_state_are_refused_in_one_sentence() -> None:
    for data in (b"", b"glitch state 1\n", b"glitch state 1\n{}\n", b"x" * 1000):
        with pytest.raises(StateError, match="save the snapshot again"):
            EngineState.from_bytes(data)


def test_the_dry_path_is_delayed_to_match_the_model(models: dict[str, Path]) -> None:
    engine = still(Engine(models["echo"], 48_000, inputs=2))
    for address, value in (("/smoothing", 0.0), ("/input/amount", 1.0), ("/input/mix", 0.0)):
        engine.apply(engine.table[address].index, value)
    given = np.zeros((2, 128 * 20), np.float32)
    given[:, 700:900] = 0.5
    out = {}
    for mix in (0.0, 1.0):
        engine = still(Engine(models["echo"], 48_000, inputs=2))
        for address, value in (("/smoothing", 0.0), ("/input/amount", 1.0), ("/input/mix", mix)):
            engine.apply(engine.table[address].index, value)
        hops = [engine.next(given[:, n * 128 : (n + 1) * 128]) for n in range(20)]
        out[mix] = np.concatenate(hops, axis=1)[0]
    assert engine.input_delay == 64
    np.testing.assert_allclose(out[0.0][764:964], 0.5, atol=1e-6)
    assert out[0.0].sum() == pytest.approx(100, abs=1e-3)
    played = np.flatnonzero(out[1.0] > 0)
    centre = (out[1.0] * np.arange(len(out[1.0]))).sum() / out[1.0].sum()
    assert abs(centre - (800 + 64)) < 128, "the model's answer is not where the dry way is"
    assert played.size


@pytest.mark.parametrize("rate", [44_100, 96_000])
def test_live_input_at_another_rate_keeps_its_timing(models: dict[str, Path], rate: int) -> None:
    engine = still(Engine(models["echo"], rate, inputs=1))
    for address, value in (("/smoothing", 0), ("/input/amount", 1), ("/input/mix", 0.5)):
        engine.apply(engine.table[address].index, value)
    taken, out = 0, []
    given = np.zeros((1, 3 * rate), np.float32)
    given[:, rate : rate + 2000] = 0.5
    while taken + engine.input_wanted < given.shape[1]:
        wanted = engine.input_wanted
        out.append(engine.next(given[:, taken : taken + wanted]))
        taken += wanted
    played = np.concatenate(out, axis=1)[0]
    assert abs(taken - played.size) < rate * 0.05, "input and output run at different rates"
    centre = (played * np.arange(played.size)).sum() / played.sum()
    assert abs(centre - (rate + 1000 + engine.input_delay)) < 300


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_a_model_keeps_its_pitch_at_any_sample_rate(models: dict[str, Path], rate: int) -> None:
    engine = still(Engine(models["tone"], rate))
    audio = play(engine, 500)[0][rate // 2 :]
    assert len(audio) > rate
    spectrum = np.abs(np.fft.rfft(audio[:rate] * np.hanning(rate)))
    assert spectrum.argmax() == pytest.approx(1000, abs=1)
    assert engine.delay >= engine.decoder.delay * rate / 48_000 - 1


def test_unknown_parameters_and_nan_change_nothing(models: dict[str, Path]) -> None:
    engine = still(Engine(models["level"], 48_000))
    for parameter, value in ((-9, 1.0), (RESTORE, 77), (10_000, 1.0), (engine.table["/latent/1"].index, float("nan"))):
        engine.apply(parameter, value)
    np.testing.assert_array_equal(play(engine, 10), 0.0)


def test_controls_reach_the_graph_and_move_smoothly(models: dict[str, Path]) -> None:
    engine = still(Engine(models["tone"], 48_000))
    play(engine, 60)
    engine.apply(engine.table["/loudness"].index, -40.0)
    play(engine, 100)
    audio = play(engine, 60)[0]
    assert 20 * np.log10(np.sqrt(np.mean(audio**2))) == pytest.approx(-40, abs=2)


def test_a_control_rises_and_falls_in_its_own_times(models: dict[str, Path], tmp_path: Path) -> None:
    model, card = load(models["tone"])
    method = card.method("decode")
    loudness = replace(method.controls[0], rise_ms=0.0, fall_ms=100.0)
    path = tmp_path / "envelope.onnx"
    save(path, model, replace(card, methods={"decode": replace(method, controls=(loudness,))}))
    engine = Engine(path, 48_000)
    level = engine.decoder.graph.values

    def turn(address: str, value: float) -> None:
        engine.apply(engine.table[address].index, value)
        engine.next()

    turn("/loudness", 0.0)
    assert level[0] == pytest.approx(0.0)
    turn("/loudness", -80.0)
    assert -10 < level[0] < -1, "it falls at once"
    turn("/loudness/fall", 0.0)
    assert level[0] == pytest.approx(-80.0)
