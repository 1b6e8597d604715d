"""Continuous reading of the live input, with a crossfade where the read position jumps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

FADE_MS = 1.0  # length of the crossfade; so much input beyond the old position must be there


class InputReader:
    """Reads the live input, some samples at a time.

    Parameters
    ----------
    source
        Returns the input [shape=(inputs, samples)] at sample positions of the clock [shape=(samples,)].
    sample_rate
        Of the input, Hz.

    Attributes
    ----------
    at : int or None
        Sample position to read next; None before the first `jump`, when silence is returned.
    fade : int
        Samples of the crossfade.
    """

    def __init__(self, source: Callable[[np.ndarray], np.ndarray], sample_rate: float) -> None:
        self._source = source
        self.at: int | None = None
        self.fade = round(FADE_MS * sample_rate / 1000.0)
        self._jumping = False
        self._left: int | None = None

    def jump(self, to: int) -> None:
        """Continue reading at sample position `to`."""
        if not self._jumping:
            self._left, self._jumping = self.at, True
        self.at = to

    def read(self, count: int) -> np.ndarray:
        """Return the next samples [shape=(inputs, count)]."""
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
