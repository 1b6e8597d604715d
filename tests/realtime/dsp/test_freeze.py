"""Freezing repeats the most recent input without a step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.dsp.freeze import FADE_MS, Freeze

RATE, HOP = 48_000, 128
TIME = np.arange(RATE) / RATE
SINE = (0.5 * np.sin(2 * np.pi * 437 * TIME)).astype(np.float32)[None]
NOISE = (0.1 * np.random.default_rng(0).standard_normal((1, 2 * RATE))).astype(np.float32)


def run(freeze: Freeze, sound: np.ndarray, asked: dict[int, tuple[bool, float]]) -> np.ndarray:
    """Let a sound go by; from some frames on, something is asked for."""
    parts, now = [], (False, 250.0)
    for k in range(sound.shape[1] // HOP):
        now = asked.get(k, now)
        freeze.push(sound[:, k * HOP : (k + 1) * HOP])
        parts.append(freeze.next(*now))
    return np.concatenate(parts, axis=1)


def test_without_freezing_the_input_passes_bit_for_bit() -> None:
    np.testing.assert_array_equal(run(Freeze(1, RATE), NOISE, {}), NOISE)


@pytest.mark.parametrize("length_ms", [20.0, 250.0])
def test_freezing_repeats_the_most_recent_input(length_ms: float) -> None:
    out = run(Freeze(1, RATE), NOISE, {200: (True, length_ms)})
    at, length, fade = 200 * HOP, round(length_ms * 48), round(FADE_MS * 48)
    loop = out[:, at + 2 * length : at + 3 * length]
    np.testing.assert_array_equal(out[:, at + 3 * length : at + 4 * length], loop)
    np.testing.assert_array_equal(loop[:, :-fade], NOISE[:, at + HOP - length : at + HOP - fade])
    assert np.std(loop[:, -fade:]) == pytest.approx(np.std(NOISE), rel=0.25), "its seam is not of equal power"


def test_after_release_the_input_passes_bit_for_bit() -> None:
    out = run(Freeze(1, RATE), NOISE, {50: (True, 100.0), 90: (False, 100.0)})
    np.testing.assert_array_equal(out[:, 95 * HOP :], NOISE[:, 95 * HOP : out.shape[1]])


@settings(max_examples=25, deadline=None)
@given(turns=st.lists(st.tuples(st.integers(1, 40), st.booleans(), st.floats(20, 2000)), min_size=1, max_size=12))
def test_no_change_of_settings_puts_a_step_into_a_steady_tone(turns: list[tuple[int, bool, float]]) -> None:
    asked, at = {}, 30
    for wait, frozen, length in turns:
        at += wait
        asked[at] = (frozen, length)
    out = run(Freeze(1, RATE), SINE, asked)
    assert np.abs(np.diff(out[0])).max() < 3 * np.abs(np.diff(SINE[0])).max()
    assert np.abs(out).max() <= 0.5 * 2 + 1e-3  # a loop's seam and going over to it may come together, 3 dB each


def test_freezing_before_any_input_does_no_harm() -> None:
    out = run(Freeze(1, RATE), SINE, {0: (True, 2000.0)})
    assert np.isfinite(out).all()
    assert np.abs(np.diff(out[0])).max() < 3 * np.abs(np.diff(SINE[0])).max()


def test_freezing_early_loops_only_received_input() -> None:
    out = run(Freeze(1, RATE), NOISE, {100: (True, 2000.0)})
    frozen = out[0, 104 * HOP :]
    assert min(np.std(part) for part in frozen[: 250 * HOP].reshape(-1, 10 * HOP)) > 0.05, "silence was frozen"


def test_a_restored_state_continues_identically() -> None:
    one, other = Freeze(1, RATE), Freeze(1, RATE)
    run(one, NOISE[:, : 100 * HOP], {60: (True, 100.0), 99: (True, 300.0)})
    other.restore(one.snapshot())
    rest = NOISE[:, 100 * HOP :]
    asked = {0: (True, 300.0), 200: (True, 50.0)}
    np.testing.assert_array_equal(run(one, rest, asked), run(other, rest, asked))


def test_a_state_of_any_moment_can_be_restored() -> None:
    one, asked = Freeze(1, RATE), {3: (True, 100.0), 9: (True, 500.0), 15: (False, 500.0), 20: (True, 20.0)}
    now = (False, 250.0)
    for k in range(40):
        now = asked.get(k, now)
        one.push(NOISE[:, k * HOP : (k + 1) * HOP])
        one.next(*now)
        other = Freeze(1, RATE)
        other.restore(one.snapshot())
        for ours, theirs in zip(one.snapshot(), other.snapshot(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "state",
    [
        (np.zeros((1, 10), np.float32), np.array([9600, 0, 9600, 0, 480])),
        (np.zeros((2, 0), np.float32), np.array([0, 0, 0, 0, 480])),
        (np.zeros((1, 0), np.float32), np.array([0, 0, 0, -1, 480])),
        (np.zeros((1, 0), np.float32), np.array([0, 0])),
    ],
)
def test_an_invalid_state_is_refused(state: tuple[np.ndarray, ...]) -> None:
    freeze = Freeze(1, RATE)
    with pytest.raises(ValueError, match="frozen"):
        freeze.restore(state)
    np.testing.assert_array_equal(run(freeze, NOISE, {}), NOISE)
