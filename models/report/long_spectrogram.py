"""Spectrogram of a sound of any length with a limited number of columns, computed while the sound streams."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from export.format.mel_scale import mel_weights
from realtime.dsp.rtpghi import analysis_window

BANDS = 160
COLUMNS = 1200
RANGE_DB = 75.0


class LongSpectrogram:
    """Mel spectrogram with at most `COLUMNS` columns, each the mean power of a section of the sound.

    Parameters
    ----------
    rate
        Sample rate, Hz.
    samples
        Length of the whole sound in samples, which sets the duration of a column.
    """

    def __init__(self, rate: int, samples: int) -> None:
        self.rate, self.samples = rate, max(samples, 1)
        self._n_fft = max(256, 1 << round(np.log2(4096 * rate / 48_000)))
        self._hop = self._n_fft // 8
        self._frames = 1 + self.samples // self._hop
        columns = min(COLUMNS, self._frames)
        self._weights = mel_weights(rate, self._n_fft, BANDS).astype(np.float64)  # [bands, bins]
        self._window = analysis_window(self._n_fft, "hann")
        self._power = np.zeros((self._n_fft // 2 + 1, columns))
        self._counts = np.zeros(columns)
        self._held = np.zeros(self._n_fft // 2)
        self._frame = 0

    def push(self, audio: NDArray[np.floating]) -> None:
        """Add the next chunk of audio [shape=(samples,)]."""
        self._held = np.concatenate([self._held, audio])
        at = 0
        while at + self._n_fft <= len(self._held):
            self._add(self._held[at : at + self._n_fft])
            at += self._hop
        self._held = self._held[at:]

    def decibels(self) -> NDArray[np.float64]:
        """Return the spectrogram [shape=(bands, columns)]: dB relative to its maximum, at least −`RANGE_DB`."""
        tail = np.zeros(max(self._n_fft - len(self._held), 0) + self._n_fft // 2)
        self.push(tail)
        power = self._weights @ self._power / np.maximum(self._counts, 1)  # [bands, columns]
        decibels = 10 * np.log10(np.maximum(power, 1e-14))
        return np.asarray(np.maximum(decibels - decibels.max(), -RANGE_DB))

    def place_of(self, hz: float) -> float:
        """Return the fractional row of a frequency."""
        frequency = np.arange(self._n_fft // 2 + 1) * self.rate / self._n_fft
        middles = (self._weights @ frequency) / np.maximum(self._weights.sum(axis=1), 1e-12)
        return float(np.interp(hz, middles, np.arange(BANDS)))

    def _add(self, piece: NDArray[np.float64]) -> None:
        if self._frame < self._frames:
            column = self._frame * len(self._counts) // self._frames
            spectrum = np.abs(np.fft.rfft(piece * self._window)) ** 2
            self._power[:, column] += spectrum
            self._counts[column] += 1
        self._frame += 1


class LatentPath:
    """Path through the latent space, decimated to at most `2 * COLUMNS` points for drawing.

    Parameters
    ----------
    frames
        Length of the whole path in frames.
    """

    def __init__(self, frames: int) -> None:
        self._every = max(1, -(-frames // (2 * COLUMNS)))
        self._frame = 0
        self._kept: list[NDArray[np.float64]] = []

    def push(self, scores: NDArray[np.float64]) -> None:
        """Add the standard scores of the next frame [shape=(latents,)]."""
        if self._frame % self._every == 0:
            self._kept.append(scores.copy())
        self._frame += 1

    @property
    def scores(self) -> NDArray[np.float64]:
        """The decimated path [shape=(points, latents)]."""
        return np.array(self._kept)


def spectrogram_of(audio: NDArray[np.floating], rate: int) -> LongSpectrogram:
    """Compute the spectrogram of a whole sound [shape=(samples,)]."""
    spectrogram = LongSpectrogram(rate, len(audio))
    spectrogram.push(audio)
    return spectrogram
