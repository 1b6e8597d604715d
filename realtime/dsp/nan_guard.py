"""Fades in place of hops that a model could not compute."""

from __future__ import annotations

import numpy as np


class NanGuard:
    """Passes hops on; a missing one becomes a fade from the last sample to silence, and the next good one fades in."""

    def __init__(self, channels: int) -> None:
        self._last = np.zeros((channels, 1), np.float32)
        self._closed = False

    def pass_on(self, audio: np.ndarray | None, frames: int) -> np.ndarray:
        """Return the hop to play.

        Parameters
        ----------
        audio : np.ndarray [shape=(channels, frames)] or None
            The model's hop; None where it has values that are not finite.
        frames
            Samples in a hop.

        Returns
        -------
        hop : np.ndarray [shape=(channels, frames)]
        """
        if audio is None:
            out = self._last * (1 - rise(frames))
            self._closed = True
        elif self._closed:
            out, self._closed = audio * rise(frames), False
        else:
            out = audio
        self._last = out[:, -1:] if not self._closed else np.zeros_like(self._last)
        return out


def rise(count: int) -> np.ndarray:
    """Return a smooth rise from 0 to 1 [shape=(count,)], 3t² − 2t³."""
    t = np.arange(count, dtype=np.float32) / count
    return t * t * (3 - 2 * t)
