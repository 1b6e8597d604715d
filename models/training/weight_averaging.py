"""Exponential moving averages of weights."""

from __future__ import annotations


def kept_share(average: float, step: int) -> float:
    """Compute the share of a moving average that a step keeps.

    Source: `num_updates` of TensorFlow's `ExponentialMovingAverage`.

    Parameters
    ----------
    average
        The share after many steps, 0 to 1.
    step
        Steps done before this one.

    Returns
    -------
    share : float
        At most `average`; less in the first steps, when the weights are still poor.
    """
    return min(average, (1 + step) / (10 + step))
