"""From the history of the output to columns of a spectrogram. Pure NumPy, no window.

Column `k` is the spectrum of the samples from `k * hop` to `k * hop + n_fft` on the stream's clock, whenever and
however often somebody looks. So the picture is steady: it depends on what was played, and not on when it was drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WINDOW_S = 0.085  # 4096 samples at 48 kHz
OVERLAP = 8
LOW_HZ, HIGH_HZ = 40.0, 20_000.0
FLOOR_DB, CEILING_DB = -96.0, -6.0

# The callback overwrites the oldest samples while we read; keep as far from them as the largest block may reach.
MARGIN = 1 << 14

_NOTHING = np.float32(0.02)  # the eighth root of a power of -136 dB
_FEW = 2  # bins in a row, up to which it is made from the cubic
_POINTS = 4  # places in a row at which the cubic is looked at


@dataclass(frozen=True)
class Axis:
    """A logarithmic axis of frequencies, drawn as rows; row 0 is the highest."""

    rows: int
    low: float = LOW_HZ
    high: float = HIGH_HZ

    def frequency(self, row: np.ndarray | float) -> np.ndarray:
        """Give the frequency in Hz at a height; `row + 0.5` is the middle of a row."""
        return np.asarray(self.high * (self.low / self.high) ** (np.asarray(row) / self.rows))

    def row(self, frequency: float) -> float:
        """Give the height at which a frequency in Hz stands."""
        return float(self.rows * np.log(frequency / self.high) / np.log(self.low / self.high))


class Analysis:
    """Samples to columns: Hann windows, decibels, a logarithmic axis.

    A row shows the loudest that its band holds, so that no partial is lost. Where a band has only few bins of the
    transform, or none, a cubic goes through the bins and is looked at in several places.

    Parameters
    ----------
    rate
        Samples a second.
    axis
        The rows to make; its top is brought below half the rate.
    """

    def __init__(self, rate: float, axis: Axis) -> None:
        self.rate = rate
        self.axis = Axis(axis.rows, axis.low, min(axis.high, 0.49 * rate))
        self.n_fft = 1 << round(np.log2(rate * WINDOW_S))
        self.hop = self.n_fft // OVERLAP
        self.bin_hz = rate / self.n_fft
        window = np.hanning(self.n_fft + 1)[:-1]
        self._window = (window * 2 / window.sum()).astype(np.float32)  # a sine of amplitude 1 is 0 dB

        rows, bins = axis.rows, self.n_fft // 2 + 1
        edges = self.axis.frequency(np.arange(rows, -1, -1)) / self.bin_hz  # [rows + 1], upwards, in bins
        first = np.ceil(edges).astype(int)
        self._sparse = int(np.argmax(np.append(np.diff(first) > _FEW, True)))  # so many rows have few bins each
        self._starts = first[self._sparse : -1]
        self._end = first[-1]
        part = (np.arange(_POINTS) + 0.5) / _POINTS
        points = self.axis.frequency(rows - np.arange(self._sparse)[:, None] - part) / self.bin_hz  # [sparse, points]
        below = np.clip(np.floor(points).astype(int), 1, bins - 3)
        self._taps = below[..., None] + np.arange(-1, 3)  # [sparse, points, 4]
        self._weights = _catmull_rom(points - below).astype(np.float32)

    def decibels(self, samples: np.ndarray) -> np.ndarray:
        """Analyse a stretch of samples.

        Parameters
        ----------
        samples : np.ndarray [shape=((columns - 1) * hop + n_fft,)]
            Mono; what is not a number counts as silence.

        Returns
        -------
        np.ndarray [shape=(columns, rows)]
            Level in dB, where a sine of amplitude 1 has 0; row 0 is the highest frequency.
        """
        samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32, copy=False)
        frames = np.lib.stride_tricks.sliding_window_view(samples, self.n_fft)[:: self.hop]  # [columns, n_fft]
        bins = np.fft.rfft(frames * self._window)  # [columns, n_fft / 2 + 1]
        power = np.square(bins.real) + np.square(bins.imag)
        root = np.sqrt(np.sqrt(np.sqrt(power)))  # the lobe of a tone is round in this scale, and meets a cubic well
        shown = np.empty((len(root), self.axis.rows), np.float32)  # upwards
        sparse = np.einsum("crpt,rpt->crp", root[:, self._taps], self._weights)
        shown[:, : self._sparse] = sparse.max(axis=2)
        if len(self._starts):
            shown[:, self._sparse :] = np.maximum.reduceat(root[:, : self._end], self._starts, axis=1)
        return 80 * np.log10(np.maximum(shown[:, ::-1], _NOTHING))

    def columns(self, samples: np.ndarray) -> np.ndarray:
        """Analyse a stretch of samples into shades, 0 to 255: uint8 [shape=(rows, columns)]."""
        scaled = (self.decibels(samples) - FLOOR_DB) * (255 / (CEILING_DB - FLOOR_DB))
        return np.clip(scaled, 0, 255).astype(np.uint8).T


class Follower:
    """Walks along the history, column by column, and says which samples are next.

    Parameters
    ----------
    history : np.ndarray [shape=(capacity, channels)]
        The ring of what was played; sample `n` stands at `n % capacity`.
    n_fft, hop
        Samples in a column, and from column to column.
    """

    def __init__(self, history: np.ndarray, n_fft: int, hop: int) -> None:
        self._history = history
        self._n_fft, self._hop = n_fft, hop
        self.next = 0

    def take(self, clock: int, limit: int) -> tuple[int, np.ndarray] | None:
        """Take the samples of the columns that are due, at most `limit` of them.

        Parameters
        ----------
        clock
            Samples played so far.
        limit
            The most columns to take at once; the others come with the next calls.

        Returns
        -------
        (first, samples) or None
            The number of the first column and its samples, mono. If the reader fell behind by more than the history
            holds, `first` has jumped.
        """
        oldest = max(0, clock - len(self._history) + MARGIN)
        due = (clock - self._n_fft) // self._hop + 1  # columns complete by now
        if self.next > max(due, 0):  # the clock went backwards: another stream
            self.next = 0
        self.next = max(self.next, -(-oldest // self._hop))
        count = min(due - self.next, limit)
        if count <= 0:
            return None
        first = self.next
        self.next += count
        return first, self._read(first * self._hop, (count - 1) * self._hop + self._n_fft)

    def _read(self, start: int, length: int) -> np.ndarray:
        capacity = len(self._history)
        start %= capacity
        part = self._history[start : start + length].mean(axis=1)
        if len(part) == length:
            return part
        return np.concatenate([part, self._history[: length - len(part)].mean(axis=1)])


class Roll:
    """Columns as pixels in a ring of twice its width.

    Each column stands there twice, a width apart, so that the latest columns, however many, always lie side by side.

    Attributes
    ----------
    pixels : np.ndarray [shape=(rows, 2 * capacity), dtype=uint8]
        Row-major; a row's bytes are a multiple of four, as images want them.
    """

    def __init__(self, rows: int, capacity: int) -> None:
        self.capacity = (capacity + 1) // 2 * 2
        self.pixels = np.zeros((rows, 2 * self.capacity), np.uint8)
        self.head = 0

    def put(self, first: int, columns: np.ndarray) -> None:
        """Write columns from number `first` on; those that were skipped before it are left dark."""
        if first < self.head:
            self.pixels[:] = 0
        elif first > self.head:
            self._write(max(self.head, first - self.capacity), first, np.uint8(0))
        self.head = first + columns.shape[1]
        shown = min(columns.shape[1], self.capacity)
        self._write(self.head - shown, self.head, columns[:, columns.shape[1] - shown :])

    def _write(self, start: int, end: int, columns: np.ndarray | np.uint8) -> None:
        place = np.arange(start, end) % self.capacity
        self.pixels[:, place] = columns
        self.pixels[:, place + self.capacity] = columns

    def start(self, width: int) -> int:
        """Say where in `pixels` the latest `width` columns begin."""
        return (self.head - width) % self.capacity

    def latest(self, width: int) -> np.ndarray:
        """Give the latest columns, the newest last: a view [shape=(rows, width)]."""
        start = self.start(width)
        return self.pixels[:, start : start + width]

    def resized(self, rows: int) -> Roll:
        """Make the same picture with another number of rows."""
        roll = Roll(rows, self.capacity)
        roll.pixels[:] = self.pixels[((np.arange(rows) + 0.5) * len(self.pixels) / rows).astype(int)]
        roll.head = self.head
        return roll


def _catmull_rom(t: np.ndarray) -> np.ndarray:
    """Weights of the four neighbours for places `t` between the second and the third: [shape=(..., 4)]."""
    t = np.clip(t, 0, 1)
    return np.stack(
        [
            -0.5 * t + t**2 - 0.5 * t**3,
            1 - 2.5 * t**2 + 1.5 * t**3,
            0.5 * t + 2 * t**2 - 1.5 * t**3,
            -0.5 * t**2 + 0.5 * t**3,
        ],
        axis=-1,
    )
