"""Linear ramps of knobs, mixes and fades, counted in steps."""

from __future__ import annotations

import numpy as np


class Ramp:
    """A value that ramps linearly to its target in a fixed number of steps.

    Parameters
    ----------
    value
        The first value.
    steps
        Steps of a ramp, at least 1.

    Attributes
    ----------
    target : float
        The value at the end of the ramp.
    """

    def __init__(self, value: float, steps: int) -> None:
        self._steps = max(steps, 1)
        self.jump(value)

    @property
    def moving(self) -> bool:
        """Whether the ramp hasn't reached its target."""
        return self._done < self._steps

    @property
    def now(self) -> float:
        """The current value."""
        return self._at(self._done)

    def jump(self, value: float) -> None:
        """Set the value at once."""
        self._from = self.target = value
        self._done = self._steps

    def go(self, target: float) -> None:
        """Begin a ramp from the current value."""
        self._from, self.target, self._done = self.now, target, 0

    def advance(self) -> float:
        """Advance one step and return the value."""
        self._done = min(self._done + 1, self._steps)
        return self.now

    def take(self, count: int) -> np.ndarray:
        """Advance `count` steps and return the value at each [shape=(count,), dtype=float32]."""
        steps = np.minimum(np.arange(self._done + 1, self._done + count + 1), self._steps)
        self._done = int(steps[-1])
        values: np.ndarray = (self._from + (self.target - self._from) * (steps / self._steps)).astype(np.float32)
        return values

    def _at(self, step: int) -> float:
        return self.target if step >= self._steps else self._from + (self.target - self._from) * step / self._steps
