"""From one sample rate to another, live: a portion in, a portion out, and no more held back than the filter needs.

Each sample is interpolated by a windowed sinc (Smith, "Digital Audio Resampling", CCRMA 2002), its weights taken from a
table. Libraries resample by long transforms, some 20 ms at a time; here the answer lags by half the filter, 0.7 ms.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from realtime.ipc.compiled import compiled

CROSSINGS = 32  # of the sinc, to each side: 20 kHz passes at 44.1 kHz
BETA = 9.0  # of the Kaiser window: what is folded back stays 90 dB below
PHASES = 512  # places between two samples at which the table knows the weights


class Resampler:
    """Resamples a stream.

    Any cut of the same input gives the same output. Sample `k` of the output stands for the time `k / wanted`, and
    comes when its filter is full.

    Parameters
    ----------
    given, wanted
        The rates, in Hz.
    channels
        How many.

    Attributes
    ----------
    delay : int
        Samples of output that are held back, at most.
    """

    def __init__(self, given: float, wanted: float, channels: int) -> None:
        self._step = Fraction(given).limit_denominator(1000) / Fraction(wanted).limit_denominator(1000)
        narrow = min(1.0, wanted / given)
        self._half = int(np.ceil(CROSSINGS / narrow))
        self.delay = int(np.ceil(self._half * wanted / given))
        taps = np.arange(1 - self._half, self._half + 1)
        at = (taps - np.arange(PHASES + 1)[:, None] / PHASES) * narrow  # in crossings from the middle
        window = np.i0(BETA * np.sqrt(np.maximum(1 - (at / CROSSINGS) ** 2, 0))) / np.i0(BETA)
        table = np.sinc(at) * np.where(np.abs(at) < CROSSINGS, window, 0)
        self._table = table / table.sum(axis=1, keepdims=True)
        self._held = np.zeros((channels, self._half), np.float32)  # what the filter still reaches back to
        self._begin = -self._half  # the input's sample that `_held` begins with
        self._next = 0  # the output's sample that comes next

    def push(self, audio: np.ndarray) -> np.ndarray:
        """Take audio [shape=(channels, samples)], and give what is ready of it at the other rate, as float32."""
        held = np.concatenate([self._held, audio], axis=1, dtype=np.float32)
        up, down = self._step.denominator, self._step.numerator
        last = self._begin + held.shape[1] - 1 - self._half  # a sample beyond it lacks some of its filter
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
    """Fill `out` [shape=(channels, samples)]; its first sample lies `rest / up` behind sample `first` of `held`."""
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
