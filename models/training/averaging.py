"""Exponential moving averages of weights."""

from __future__ import annotations


def kept_share(average: float, step: int) -> float:
    """Share of a moving average that a step keeps; less in the first steps, when the weights are still poor.

    Parameters
    ----------
    average
        The share after many steps, 0 to 1.
    step
        Steps done before this one.
    """
    return min(average, (1 + step) / (10 + step))
