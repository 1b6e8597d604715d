"""Reading the live input on and on; where reading jumps, the old place goes over into the new one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

FADE_MS = 1.0  # of the old place, which must have been heard so much further than it was read


class Hearing:
    """Reads the live input, a portion at a time.

    Parameters
    ----------
    source
        Gives the input's samples [shape=(inputs, samples)] for their numbers on the clock.
    sample_rate
        Of the input.

    Attributes
    ----------
    at : int or None
        The sample that is read next; None before the first `jump`, until which all is silence.
    fade : int
        Samples that a jump takes.
    """

    def __init__(self, source: Callable[[np.ndarray], np.ndarray], sample_rate: float) -> None:
        self._source = source
        self.at: int | None = None
        self.fade = round(FADE_MS * sample_rate / 1000.0)
        self._jumping = False
        self._left: int | None = None

    def jump(self, to: int) -> None:
        """Read on from another sample."""
        if not self._jumping:
            self._left, self._jumping = self.at, True
        self.at = to

    def read(self, count: int) -> np.ndarray:
        """Give the next samples [shape=(inputs, count)]."""
        first = self.at
        given = self._source(np.arange(first, first + count) if first is not None else np.full(count, -1))
        if first is None:
            return given
        self.at = first + count
        if self._jumping:
            self._jumping = False
            fade = min(self.fade, count)
            rise = (np.arange(fade, dtype=np.float32) + 0.5) / max(fade, 1)
            left = 0.0 if self._left is None else self._source(np.arange(self._left, self._left + fade)) * (1 - rise)
            given[:, :fade] = given[:, :fade] * rise + left
        return given
