"""A sound of any length, drawn in so many columns: what a picture needs of it, gathered while it passes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from export.format.mel_scale import mel_weights
from realtime.dsp.rtpghi import analysis_window

BANDS = 160
COLUMNS = 1200
RANGE_DB = 75.0


class Strip:
    """A mel spectrogram whose columns are means of power over the time that they stand for.

    Parameters
    ----------
    rate
        Of the sound, Hz.
    samples
        How many will come. A column stands for so much time that they fill `COLUMNS`, or fewer if short.
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
        """Take what comes next [shape=(samples,)]."""
        self._held = np.concatenate([self._held, audio])
        at = 0
        while at + self._n_fft <= len(self._held):
            self._add(self._held[at : at + self._n_fft])
            at += self._hop
        self._held = self._held[at:]

    def decibels(self) -> NDArray[np.float64]:
        """Give the picture [shape=(bands, columns)]: dB under its loudest point, which is 0."""
        tail = np.zeros(max(self._n_fft - len(self._held), 0) + self._n_fft // 2)
        self.push(tail)
        power = self._weights @ self._power / np.maximum(self._counts, 1)  # [bands, columns]
        decibels = 10 * np.log10(np.maximum(power, 1e-14))
        return np.asarray(np.maximum(decibels - decibels.max(), -RANGE_DB))

    def place_of(self, hz: float) -> float:
        """Say in which row a frequency lies, in parts of one."""
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


class Trail:
    """The way through the latent space: every so many frames of it, so that it stays drawable.

    Parameters
    ----------
    frames
        How many will come.
    """

    def __init__(self, frames: int) -> None:
        self._every = max(1, -(-frames // (2 * COLUMNS)))
        self._frame = 0
        self._kept: list[NDArray[np.float64]] = []

    def push(self, scores: NDArray[np.float64]) -> None:
        """Take the next frame's standard scores [shape=(latents,)]."""
        if self._frame % self._every == 0:
            self._kept.append(scores.copy())
        self._frame += 1

    @property
    def scores(self) -> NDArray[np.float64]:
        """What was kept [shape=(points, latents)]."""
        return np.array(self._kept)


def drawn(audio: NDArray[np.floating], rate: int) -> Strip:
    """Draw a whole sound [shape=(samples,)]."""
    strip = Strip(rate, len(audio))
    strip.push(audio)
    return strip
