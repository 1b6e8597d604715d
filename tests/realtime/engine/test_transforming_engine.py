"""A deck with a transform, without its process: live input, dry path, freeze and feedback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from export.format.io import load
from realtime.engine.engine import Engine
from realtime.engine.state import EngineState
from realtime.ipc.memory_layout import CAPTURE, RESTORE
from realtime.params.table import LATENT_ROWS, TRANSFORM_ROWS, table
from tests import reference

RATE = 48_000
NOISE = (0.1 * np.random.default_rng(0).standard_normal((1, 3 * RATE))).astype(np.float32)
SINE = (0.3 * np.sin(2 * np.pi * 437 * np.arange(3 * RATE) / RATE)).astype(np.float32)[None]


def turn(engine: Engine, **knobs: float) -> None:
    for name, value in knobs.items():
        engine.apply(engine.table["/" + name.replace("_", "/")].index, value)


def through(engine: Engine, sound: np.ndarray, frames: int = 10**9) -> np.ndarray:
    """Play a sound through an engine, from its present position."""
    parts: list[np.ndarray] = []
    while len(parts) < frames and engine.input_taken + engine.input_wanted <= sound.shape[1]:
        parts.append(engine.next(sound[:, engine.input_taken : engine.input_taken + engine.input_wanted]))
    return np.concatenate(parts, axis=1)


def test_the_table_of_a_transform_has_no_latents(models: dict[str, Path]) -> None:
    rows = table(load(models["passing"])[1])
    assert {row.address for row in TRANSFORM_ROWS} <= set(rows)
    assert not rows.latents
    assert "/latent" not in rows
    assert not {row.address for row in LATENT_ROWS} & set(rows), "knobs that do nothing"
    assert list(rows.controls) == ["level"]
    decodes = table(load(models["bundled"])[1])
    assert not {row.address for row in TRANSFORM_ROWS} & set(decodes)


def test_live_input_lags_by_the_stated_delay(models: dict[str, Path]) -> None:
    engine = Engine(models["passing"], RATE, inputs=1)
    out = through(engine, NOISE)
    assert engine.input_delay == engine.delay == 48
    np.testing.assert_array_equal(out[:, 48:], NOISE[:, : out.shape[1] - 48])


@pytest.mark.parametrize("rate", [44_100, 48_000, 88_200, 96_000])
def test_dry_and_wet_are_aligned_to_the_sample_at_any_rate(models: dict[str, Path], rate: int) -> None:
    t = np.arange(2 * rate) / rate
    sines = np.stack([np.sin(2 * np.pi * f * t + f) for f in (100.0, 1000.0, 6000.0, 15_000.0)])
    sound = sines.sum(axis=0, keepdims=True).astype(np.float32) / 10
    out = {}
    for mix in (0.0, 1.0):
        engine = Engine(models["passing"], rate, inputs=1)
        turn(engine, input_mix=mix)
        out[mix] = through(engine, sound)[:, rate // 2 : rate + rate // 2]
    np.testing.assert_allclose(out[1.0], out[0.0], atol=0.01 if rate % 48_000 else 1e-3)
    assert np.abs(out[0.0]).max() > 0.2


def test_channels_are_matched_to_the_models_and_back(models: dict[str, Path]) -> None:
    engine = Engine(models["louder"], RATE, inputs=2)
    sound = np.concatenate([NOISE, SINE])
    out = through(engine, sound)
    np.testing.assert_allclose(out[:, 48:], 4 * sound[:, : out.shape[1] - 48], rtol=1e-6)


@pytest.mark.parametrize("model", ["passing", "resonant"])
def test_without_an_input_the_model_gets_silence(models: dict[str, Path], model: str) -> None:
    engine = Engine(models[model], RATE)
    out = np.concatenate([engine.next() for _ in range(50)], axis=1)
    np.testing.assert_allclose(out, 0.0, atol=1e-6)
    assert engine.input_delay == 0


def test_a_transforms_own_controls_are_live(models: dict[str, Path]) -> None:
    engine = Engine(models["passing"], RATE, inputs=1)
    turn(engine, level=0.0)
    out = through(engine, SINE)
    assert np.abs(out[:, RATE // 2 :]).max() < 1e-4
    assert np.abs(np.diff(out[0])).max() < 0.03


@pytest.mark.parametrize("model", ["passing", "resonant"])
def test_a_frozen_input_is_looped(models: dict[str, Path], model: str) -> None:
    engine = Engine(models[model], RATE, inputs=1)
    sound = SINE.copy()
    sound[:, RATE:] = 0.0
    begun = through(engine, sound, 370)
    turn(engine, freeze=1)
    frozen = through(engine, sound, 500)
    assert np.std(frozen[:, -RATE:]) == pytest.approx(np.std(begun[:, -RATE // 2 :]), rel=0.25)
    turn(engine, freeze=0)
    assert np.abs(through(engine, sound)[:, 4096:]).max() < 1e-3


def test_changing_every_parameter_makes_no_click(models: dict[str, Path]) -> None:
    engine = Engine(models["passing"], RATE, inputs=1)
    rng, parts = np.random.default_rng(3), []
    for _ in range(40):
        parts.append(through(engine, SINE, 20))
        turn(engine, freeze=float(rng.integers(2)), freeze_length=rng.uniform(20, 500), feedback=rng.uniform(0, 0.5))
    output = np.concatenate(parts, axis=1)[0]
    assert np.abs(np.diff(output)).max() < 5 * np.abs(np.diff(SINE[0])).max()
    assert len(output) > RATE


def test_feedback_of_a_gain_of_four_is_bounded_and_ends_when_released(models: dict[str, Path]) -> None:
    engine = Engine(models["louder"], RATE, inputs=2)
    turn(engine, feedback=1)
    sound = np.concatenate([NOISE, NOISE])
    sound[:, RATE:] = 0.0
    out = through(engine, sound, 1000)
    assert np.isfinite(out).all()
    assert np.abs(out).max() <= 4 * (1 + np.abs(sound).max())
    turn(engine, feedback=0)
    assert np.abs(through(engine, sound)[:, 4800:]).max() == 0.0


def test_a_reset_ends_feedback_without_a_step(models: dict[str, Path]) -> None:
    engine = Engine(models["louder"], RATE, inputs=1)
    turn(engine, feedback=1)
    sound = np.where(np.arange(3 * RATE) < 4800, SINE, 0).astype(np.float32)
    before = through(engine, sound, 500)
    assert np.abs(before[:, -4800:]).max() > 0.5
    turn(engine, feedback=0, reset=1)
    after = through(engine, sound, 100)
    assert np.abs(after[:, 2 * 128 :]).max() < 1e-6
    own = np.abs(np.diff(before[0, -9600:])).max()
    assert np.abs(np.diff(np.concatenate([before[0, -128:], after[0]]))).max() <= 1.5 * own


@pytest.mark.parametrize("model", ["passing", "resonant"])
def test_a_state_restores_freeze_and_feedback(models: dict[str, Path], model: str) -> None:
    engine = Engine(models[model], RATE, inputs=1)
    through(engine, NOISE, 100)
    turn(engine, freeze=1, feedback=0.4, freeze_length=40)
    through(engine, NOISE, 100)
    engine.apply(CAPTURE, 1)
    then = through(engine, NOISE, 60)
    engine.states[2] = EngineState.from_bytes(engine.states[1].to_bytes())
    twin = Engine(models[model], RATE, inputs=1)
    turn(twin, freeze=1, feedback=0.4, freeze_length=40)
    twin.settle(engine.states[2])
    np.testing.assert_array_equal(through(twin, SINE, 60), then)  # the live input has no effect
    for number in (1, 2):
        turn(engine, freeze=0)
        through(engine, NOISE, 30)
        turn(engine, freeze=1)
        engine.apply(RESTORE, number)
        again = through(engine, NOISE, 60)
        np.testing.assert_array_equal(again[:, engine.hop :], then[:, engine.hop :])


def test_a_model_that_gives_nan_fades_out_and_recovers(models: dict[str, Path]) -> None:
    engine = Engine(models["passing"], RATE, inputs=1)
    turn(engine, feedback=0.5)
    through(engine, SINE, 50)
    step = engine.decoder.step
    engine.decoder.step = lambda given, controls: np.full_like(step(given, controls), np.nan)  # type: ignore[method-assign]
    broken = through(engine, SINE, 4)
    engine.decoder.step = step  # type: ignore[method-assign]
    after = through(engine, SINE, 400)
    assert engine.nonfinite == 4
    assert np.isfinite(broken).all()
    assert np.abs(after[:, -4800:]).max() > 0.15


def test_dry_and_wet_stay_aligned_with_a_long_hop_and_delay(tmp_path: Path) -> None:
    path = reference.passing_model(tmp_path / "long.onnx", hop=24_000, delay=60_000)
    out = {}
    for mix in (0.0, 1.0):
        engine = Engine(path, RATE, inputs=1)
        turn(engine, input_mix=mix)
        out[mix] = through(engine, NOISE)
    np.testing.assert_array_equal(out[0.0], out[1.0])
    assert engine.input_delay == 60_000
