"""Feedback cannot run away, whatever the model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.dsp.feedback_path import RISE_MS, FeedbackPath

RATE, HOP = 48_000, 128
NOISE = (0.1 * np.random.default_rng(0).standard_normal((1, RATE))).astype(np.float32)


def fed(sound: np.ndarray, model: Callable[[np.ndarray], np.ndarray], amount: float) -> tuple[np.ndarray, np.ndarray]:
    """Run a model with feedback; return its input and its output."""
    feedback, given, made = FeedbackPath(len(sound), HOP, RATE), [], []
    for k in range(sound.shape[1] // HOP):
        given.append(sound[:, k * HOP : (k + 1) * HOP] + feedback.next(amount))
        made.append(model(given[-1]))
        feedback.keep(made[-1])
    return np.concatenate(given, axis=1), np.concatenate(made, axis=1)


@pytest.mark.parametrize("gain", [4.0, -4.0, 1000.0])
def test_feedback_is_bounded_at_any_gain(gain: float) -> None:
    given, made = fed(NOISE, lambda x: gain * x, 1.0)
    assert np.abs(given).max() <= 1.0 + np.abs(NOISE).max()
    assert np.abs(made).max() <= abs(gain) * (1.0 + np.abs(NOISE).max()) * 1.0001
    assert abs(given[:, RATE // 2 :].mean()) < 0.2, "it has DC"


@settings(max_examples=30, deadline=None)
@given(
    gain=st.floats(-1e6, 1e6),
    offset=st.floats(-1e3, 1e3),
    power=st.integers(1, 3),
    amount=st.floats(0, 1),
)
def test_feedback_is_bounded_for_any_model(gain: float, offset: float, power: int, amount: float) -> None:
    given, _ = fed(NOISE[:, :12_800], lambda x: (gain * x**power + offset).astype(np.float32), amount)
    assert np.abs(given - NOISE[:, :12_800]).max() <= amount + 1e-6


def test_dc_is_not_fed_back() -> None:
    given, _ = fed(0 * NOISE, lambda x: np.full_like(x, 0.7), 1.0)
    assert np.abs(given[:, RATE // 2 :]).max() < 1e-6


def test_an_amount_of_zero_adds_nothing() -> None:
    given, _ = fed(NOISE, lambda x: 4 * x, 0.0)
    np.testing.assert_array_equal(given, NOISE[:, : given.shape[1]])


def test_changes_of_the_amount_cause_no_step() -> None:
    feedback = FeedbackPath(1, HOP, RATE)
    feedback.keep(np.full((1, HOP), 0.5, np.float32))
    ones = np.tanh(feedback._last)
    ramp = np.concatenate([feedback.next(1.0) / ones for _ in range(20)], axis=1)[0]
    assert np.diff(ramp).max() < 1.1 * 1000 / (RISE_MS * RATE)
    assert ramp[-1] == pytest.approx(1.0)
    assert ramp[round(RISE_MS * 24)] == pytest.approx(0.5, abs=0.01)


def test_non_finite_output_clears_the_feedback() -> None:
    given, _ = fed(NOISE, lambda x: np.where(np.abs(x) > 0.35, np.nan, x).astype(np.float32), 1.0)
    assert np.isfinite(given).all()


def test_a_restored_state_continues_identically() -> None:
    one, other = FeedbackPath(1, HOP, RATE), FeedbackPath(1, HOP, RATE)
    for _ in range(3):
        one.next(0.8)
        one.keep(NOISE[:, :HOP])
    other.restore(one.snapshot())
    for k in range(5):
        np.testing.assert_array_equal(one.next(0.3), other.next(0.3))
        for each in (one, other):
            each.keep(NOISE[:, k * HOP : (k + 1) * HOP])
    with pytest.raises(ValueError, match="fit"):
        FeedbackPath(2, HOP, RATE).restore(one.snapshot())
