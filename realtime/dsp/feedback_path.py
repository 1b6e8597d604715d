"""Feedback of a model's output to its input, bounded so that it cannot run away.

The last hop of output passes a DC filter and a tanh before it is added to the model's input. It therefore adds at most
full scale, whatever the model does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from realtime.ipc.compiled import compiled

DC_HZ = 10.0  # cut-off of the DC filter
MAX_LEVEL = 8.0  # the filter's input is clipped to this, or it would ring for long
RISE_MS = 30.0  # time from no feedback to full feedback


class FeedbackPath:
    """Keeps the model's last hop of output, filtered and bounded.

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
        self._memory = np.zeros((channels, 2))  # last input and output of the filter
        self._amount = 0.0

    def next(self, amount: float) -> np.ndarray:
        """Return the samples to add to the next hop of input.

        Parameters
        ----------
        amount
            0 to 1; followed within `RISE_MS`.

        Returns
        -------
        feedback : np.ndarray [shape=(channels, hop)]
        """
        if amount == self._amount == 0.0:
            return self._silence
        way = self._step * np.arange(1, self._last.shape[1] + 1)
        ramp = self._amount + np.clip(amount - self._amount, -way, way)
        self._amount = float(ramp[-1])
        return np.asarray(ramp * np.tanh(self._last), np.float32)

    def keep(self, made: np.ndarray) -> None:
        """Store a hop of output [shape=(channels, hop)]; one that isn't finite clears the feedback."""
        if not _filter(made, self._memory, self._pole, self._last):
            self.clear()

    def clear(self) -> None:
        """Clear the stored output and the filter."""
        self._last[:] = 0.0
        self._memory[:] = 0.0

    def snapshot(self) -> tuple[np.ndarray, ...]:
        """Copy the state kept between frames."""
        return self._last.copy(), self._memory.copy(), np.array([self._amount])

    def restore(self, state: Sequence[np.ndarray]) -> None:
        """Continue from a snapshot.

        Raises
        ------
        ValueError
            The snapshot is damaged or belongs to another model.
        """
        last, memory, amount = state
        fits = last.shape == self._last.shape and memory.shape == self._memory.shape and amount.shape == (1,)
        if not (fits and all(np.isfinite(part).all() for part in state) and 0.0 <= amount[0] <= 1.0):
            raise ValueError("the feedback doesn't fit the model")
        self._last[:], self._memory[:], self._amount = last, memory, float(amount[0])


@compiled
def _filter(made: np.ndarray, memory: np.ndarray, pole: float, out: np.ndarray) -> bool:
    """Filter the DC out of `made` into `out`; return whether all samples were finite."""
    for c in range(made.shape[0]):
        before, now = memory[c, 0], memory[c, 1]
        for k in range(made.shape[1]):
            sample = float(made[c, k])
            if not np.isfinite(sample):
                return False
            sample = min(max(sample, -MAX_LEVEL), MAX_LEVEL)
            now = sample - before + pole * now
            before = sample
            out[c, k] = now
        memory[c, 0], memory[c, 1] = before, now
    return True
