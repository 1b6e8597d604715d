"""Keeps a break in the model from becoming a step in the sound."""

from __future__ import annotations

import numpy as np


class Guard:
    """Passes hops on; one that is missing becomes a fade from the last sample to silence, and the next fades in."""

    def __init__(self, channels: int) -> None:
        self._last = np.zeros((channels, 1), np.float32)
        self._closed = False

    def pass_on(self, audio: np.ndarray | None, frames: int) -> np.ndarray:
        """Give a hop [shape=(channels, frames)] for the one that the model made, or didn't."""
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
    """Go from 0 to 1 with neither a step nor a corner."""
    t = np.arange(count, dtype=np.float32) / count
    return t * t * (3 - 2 * t)
