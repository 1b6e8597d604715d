"""Feedback: a model hears itself, without ever running away.

What a model gave last goes through a filter that takes its DC, and through a tanh, before it is added to what the model
hears. So it adds no more than full scale, whatever the model does with it: its answer stays within what it makes of a
sound that is one louder than the live one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from realtime.ipc.compiled import compiled

DC_HZ = 10.0
LOUDEST = 8.0  # what is louder goes into the filter as if it were so loud, or it would ring for long
RISE_MS = 30.0  # from none to all of it


class Feedback:
    """Keeps what a model gave last, fit to be heard by it.

    Parameters
    ----------
    channels, hop, sample_rate
        Of the model.
    """

    def __init__(self, channels: int, hop: int, sample_rate: float) -> None:
        self._pole = 1.0 - 2.0 * np.pi * DC_HZ / sample_rate
        self._step = 1000.0 / (RISE_MS * sample_rate)
        self._last = np.zeros((channels, hop), np.float32)
        self._silence = np.zeros((channels, hop), np.float32)
        self._memory = np.zeros((channels, 2))  # what went in and came out last
        self._amount = 0.0

    def next(self, amount: float) -> np.ndarray:
        """Give what is added to the next hop [shape=(channels, hop)]; `amount` goes from 0 to 1, and is followed."""
        if amount == self._amount == 0.0:
            return self._silence
        way = self._step * np.arange(1, self._last.shape[1] + 1)
        ramp = self._amount + np.clip(amount - self._amount, -way, way)
        self._amount = float(ramp[-1])
        return np.asarray(ramp * np.tanh(self._last), np.float32)

    def keep(self, made: np.ndarray) -> None:
        """Take what the model gave [shape=(channels, hop)]; what is no number is forgotten."""
        if not _filter(made, self._memory, self._pole, self._last):
            self.clear()

    def clear(self) -> None:
        """Forget what the model gave."""
        self._last[:] = 0.0
        self._memory[:] = 0.0

    def snapshot(self) -> tuple[np.ndarray, ...]:
        """Copy all that is remembered between frames."""
        return self._last.copy(), self._memory.copy(), np.array([self._amount])

    def restore(self, state: Sequence[np.ndarray]) -> None:
        """Go on from where `snapshot` was taken.

        Raises
        ------
        ValueError
            It is that of another model, or none.
        """
        last, memory, amount = state
        fits = last.shape == self._last.shape and memory.shape == self._memory.shape and amount.shape == (1,)
        if not (fits and all(np.isfinite(part).all() for part in state) and 0.0 <= amount[0] <= 1.0):
            raise ValueError("what was fed back doesn't fit the model")
        self._last[:], self._memory[:], self._amount = last, memory, float(amount[0])


@compiled
def _filter(made: np.ndarray, memory: np.ndarray, pole: float, out: np.ndarray) -> bool:
    """Take the DC from `made`; say whether all of it were numbers."""
    for c in range(made.shape[0]):
        before, now = memory[c, 0], memory[c, 1]
        for k in range(made.shape[1]):
            sample = float(made[c, k])
            if not np.isfinite(sample):
                return False
            sample = min(max(sample, -LOUDEST), LOUDEST)
            now = sample - before + pole * now
            before = sample
            out[c, k] = now
        memory[c, 0], memory[c, 1] = before, now
    return True
