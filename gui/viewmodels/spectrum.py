"""The spectrogram of the output: from the history in shared memory to columns of pixels, in NumPy.

Column `k` is the spectrum of the samples from `k * hop` to `k * hop + n_fft` on the clock. The picture therefore
depends on the output only, and not on the times of drawing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WINDOW_S = 0.085  # 4096 samples at 48 kHz
OVERLAP = 8
LOW_HZ, HIGH_HZ = 40.0, 20_000.0
FLOOR_DB, CEILING_DB = -96.0, -6.0

# The callback overwrites the oldest samples during a read; this is more than the largest block.
MARGIN = 1 << 14

_MIN_ROOT = np.float32(0.02)  # the eighth root of a power of -136 dB
_MAX_SPARSE_BINS = 2  # rows with at most this many bins are interpolated
_POINTS = 4  # interpolated points in a row


@dataclass(frozen=True)
class FrequencyAxis:
    """A logarithmic frequency axis, drawn as rows; row 0 is the highest."""

    rows: int
    low: float = LOW_HZ
    high: float = HIGH_HZ

    def frequency(self, row: np.ndarray | float) -> np.ndarray:
        """Return the frequency in Hz at a height in rows; `row + 0.5` is the middle of a row."""
        return np.asarray(self.high * (self.low / self.high) ** (np.asarray(row) / self.rows))

    def row(self, frequency: float) -> float:
        """Return the height in rows of a frequency in Hz."""
        return float(self.rows * np.log(frequency / self.high) / np.log(self.low / self.high))


class SpectrumAnalysis:
    """Spectral analysis for display: Hann windows, decibels, a logarithmic frequency axis.

    A row shows the maximum of its band, so that no partial is lost. If a band has few bins of the transform, or none,
    the bins are interpolated with a Catmull-Rom cubic at several points.

    Parameters
    ----------
    rate
        Samples a second.
    axis
        The frequency axis; its top is limited to just below half the sample rate.
    """

    def __init__(self, rate: float, axis: FrequencyAxis) -> None:
        self.rate = rate
        self.axis = FrequencyAxis(axis.rows, axis.low, min(axis.high, 0.49 * rate))
        self.n_fft = 1 << round(np.log2(rate * WINDOW_S))
        self.hop = self.n_fft // OVERLAP
        self.bin_hz = rate / self.n_fft
        window = np.hanning(self.n_fft + 1)[:-1]
        self._window = (window * 2 / window.sum()).astype(np.float32)  # a sine of amplitude 1 is 0 dB

        rows, bins = axis.rows, self.n_fft // 2 + 1
        edges = self.axis.frequency(np.arange(rows, -1, -1)) / self.bin_hz  # [rows + 1], upwards, in bins
        first = np.ceil(edges).astype(int)
        self._sparse = int(
            np.argmax(np.append(np.diff(first) > _MAX_SPARSE_BINS, True))
        )  # number of rows with few bins
        self._starts = first[self._sparse : -1]
        self._end = first[-1]
        part = (np.arange(_POINTS) + 0.5) / _POINTS
        points = self.axis.frequency(rows - np.arange(self._sparse)[:, None] - part) / self.bin_hz  # [sparse, points]
        below = np.clip(np.floor(points).astype(int), 1, bins - 3)
        self._taps = below[..., None] + np.arange(-1, 3)  # [sparse, points, 4]
        self._weights = _catmull_rom(points - below).astype(np.float32)

    def decibels(self, samples: np.ndarray) -> np.ndarray:
        """Analyse samples.

        Parameters
        ----------
        samples : np.ndarray [shape=((columns - 1) * hop + n_fft,)]
            Mono; NaN and infinity count as silence.

        Returns
        -------
        np.ndarray [shape=(columns, rows)]
            Level in dB; a sine of amplitude 1 has 0 dB. Row 0 is the highest frequency.
        """
        samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32, copy=False)
        frames = np.lib.stride_tricks.sliding_window_view(samples, self.n_fft)[:: self.hop]  # [columns, n_fft]
        bins = np.fft.rfft(frames * self._window)  # [columns, n_fft / 2 + 1]
        power = np.square(bins.real) + np.square(bins.imag)
        root = np.sqrt(np.sqrt(np.sqrt(power)))  # on this scale a cubic fits the lobe of a tone well
        shown = np.empty((len(root), self.axis.rows), np.float32)  # upwards
        sparse = np.einsum("crpt,rpt->crp", root[:, self._taps], self._weights)
        shown[:, : self._sparse] = sparse.max(axis=2)
        if len(self._starts):
            shown[:, self._sparse :] = np.maximum.reduceat(root[:, : self._end], self._starts, axis=1)
        return 80 * np.log10(np.maximum(shown[:, ::-1], _MIN_ROOT))

    def columns(self, samples: np.ndarray) -> np.ndarray:
        """Analyse samples into colour indices, 0 to 255: uint8 [shape=(rows, columns)]."""
        scaled = (self.decibels(samples) - FLOOR_DB) * (255 / (CEILING_DB - FLOOR_DB))
        return np.clip(scaled, 0, 255).astype(np.uint8).T


class HistoryReader:
    """Reads the samples of the next columns from the history.

    Parameters
    ----------
    history : np.ndarray [shape=(capacity, channels)]
        Ring of the output; sample `n` is at `n % capacity`.
    n_fft, hop
        Samples of a column, and from column to column.
    """

    def __init__(self, history: np.ndarray, n_fft: int, hop: int) -> None:
        self._history = history
        self._n_fft, self._hop = n_fft, hop
        self.next = 0

    def take(self, clock: int, limit: int) -> tuple[int, np.ndarray] | None:
        """Read the samples of the columns that are complete, at most `limit` columns.

        Parameters
        ----------
        clock
            Samples played so far.
        limit
            Maximum number of columns; the others follow with the next calls.

        Returns
        -------
        (first, samples) or None
            Number of the first column, and mono samples. `first` jumps if the reader fell behind by more than the
            history.
        """
        oldest = max(0, clock - len(self._history) + MARGIN)
        due = (clock - self._n_fft) // self._hop + 1  # complete columns
        if self.next > max(due, 0):  # the clock went back: a new stream
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


class ColumnRing:
    """Columns of pixels in a ring of double width.

    Each column is stored twice, one capacity apart, so that the latest columns are always contiguous.

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
        """Write columns from number `first`; skipped columns before it are dark."""
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
        """Return the position in `pixels` of the latest `width` columns."""
        return (self.head - width) % self.capacity

    def latest(self, width: int) -> np.ndarray:
        """Return the latest columns, the newest last: a view [shape=(rows, width)]."""
        start = self.start(width)
        return self.pixels[:, start : start + width]

    def resized(self, rows: int) -> ColumnRing:
        """Return the same picture with another number of rows."""
        ring = ColumnRing(rows, self.capacity)
        ring.pixels[:] = self.pixels[((np.arange(rows) + 0.5) * len(self.pixels) / rows).astype(int)]
        ring.head = self.head
        return ring


def _catmull_rom(t: np.ndarray) -> np.ndarray:
    """Return Catmull-Rom weights [shape=(..., 4)] for positions `t` between the second and third neighbour."""
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
