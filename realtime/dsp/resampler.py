"""Live resampling with the shortest delay: half the filter, 0.7 ms.

Each output sample is interpolated with a windowed sinc whose weights come from a table (J. O. Smith, "Digital Audio
Resampling Home Page", CCRMA, 2002). Libraries resample with long transforms, about 20 ms at a time.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from realtime.ipc.compiled import compiled

CROSSINGS = 32  # zero crossings of the sinc on each side: 20 kHz passes at 44.1 kHz
BETA = 9.0  # of the Kaiser window: aliases stay 90 dB below
PHASES = 512  # positions between two samples in the table


class Resampler:
    """Resamples a stream.

    Any cut of the same input gives the same output. Output sample `k` is the signal at time `k / wanted`.

    Parameters
    ----------
    given, wanted
        Sample rates of input and output, Hz.
    channels
        Number of channels.

    Attributes
    ----------
    delay : int
        Largest number of output samples held back.
    """

    def __init__(self, given: float, wanted: float, channels: int) -> None:
        self._step = Fraction(given).limit_denominator(1000) / Fraction(wanted).limit_denominator(1000)
        narrow = min(1.0, wanted / given)
        self._half = int(np.ceil(CROSSINGS / narrow))
        self.delay = int(np.ceil(self._half * wanted / given))
        taps = np.arange(1 - self._half, self._half + 1)
        at = (taps - np.arange(PHASES + 1)[:, None] / PHASES) * narrow  # in zero crossings from the centre
        window = np.i0(BETA * np.sqrt(np.maximum(1 - (at / CROSSINGS) ** 2, 0))) / np.i0(BETA)
        table = np.sinc(at) * np.where(np.abs(at) < CROSSINGS, window, 0)
        self._table = table / table.sum(axis=1, keepdims=True)
        self._held = np.zeros((channels, self._half), np.float32)  # input that the filter still needs
        self._begin = -self._half  # input position of the first sample held
        self._next = 0  # output position of the next sample

    def push(self, audio: np.ndarray) -> np.ndarray:
        """Take input and return the output that is ready.

        Parameters
        ----------
        audio : np.ndarray [shape=(channels, samples)]

        Returns
        -------
        audio : np.ndarray [shape=(channels, ready)]
            float32.
        """
        held = np.concatenate([self._held, audio], axis=1, dtype=np.float32)
        up, down = self._step.denominator, self._step.numerator
        last = self._begin + held.shape[1] - 1 - self._half  # beyond it, the filter lacks input
        count = max((last * up + up - 1) // down + 1 - self._next, 0)
        out = np.empty((len(held), count), np.float32)
        whole, rest = divmod(self._next * down, up)
        _interpolate(held, whole - self._begin, rest, self._table, up, down, out)
        self._next += count
        keep = self._next * down // up + 1 - self._half - self._begin
        self._held, self._begin = held[:, keep:].copy(), self._begin + keep
        return out


@compiled
def _interpolate(
    held: np.ndarray, first: int, rest: int, table: np.ndarray, up: int, down: int, out: np.ndarray
) -> None:
    """Fill `out` [shape=(channels, samples)]; its first sample is at position `first + rest / up` of `held`."""
    taps = table.shape[1]
    for k in range(out.shape[1]):
        place = rest + k * down
        phase = place % up * (PHASES / up)
        row = int(phase)
        between = phase - row
        left = first + place // up + 1 - taps // 2
        for c in range(out.shape[0]):
            total = 0.0
            for t in range(taps):
                weight = table[row, t] + between * (table[row + 1, t] - table[row, t])
                total += weight * held[c, left + t]
            out[c, k] = total
