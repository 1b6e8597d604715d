"""Noise bands, even on the mel scale, and the definition of their levels.

A level is the natural logarithm of the standard deviation of white noise with the same spectral density as the noise in
the band. It depends neither on the length of the analysis window nor on the width of the band.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BANDS = 48
Floats = NDArray[np.float64]


def edges(sample_rate: int) -> Floats:
    """Compute the edges of the bands, even on the mel scale up to half the sample rate.

    Returns
    -------
    edges : np.ndarray [shape=(BANDS + 1,)]
        Hz.

    Source: D. O'Shaughnessy, Speech Communication, 1987, p. 150.
    """
    top = 2595 * np.log10(1 + sample_rate / 2 / 700)
    return np.asarray(700 * (10 ** (np.linspace(0, top, BANDS + 1) / 2595) - 1))


def shares(sample_rate: int) -> Floats:
    """Compute the share of white noise's power in each band, shape [BANDS]; the shares sum to 1."""
    return np.asarray(np.diff(edges(sample_rate)) / (sample_rate / 2))


def noise_table(sample_rate: int, rows: int, seed: int) -> NDArray[np.float32]:
    """Generate a loop of noise for each band; their sum is white noise with a standard deviation of 1.

    Parameters
    ----------
    sample_rate
        Hz.
    rows
        Length of the loop in samples.
    seed
        Seed of the noise.

    Returns
    -------
    table : np.ndarray [shape=(rows, BANDS)]
    """
    frequency = np.fft.rfftfreq(rows, 1 / sample_rate)
    band = np.clip(np.searchsorted(edges(sample_rate), frequency, side="right") - 1, 0, BANDS - 1)
    random = np.random.default_rng(seed)
    spectrum = random.standard_normal(len(frequency)) + 1j * random.standard_normal(len(frequency))
    spectrum[0] = spectrum[-1] = 0.0
    apart = np.where(band == np.arange(BANDS)[:, None], spectrum, 0.0)  # [BANDS, frequencies]
    table = np.fft.irfft(apart, rows).T  # [rows, BANDS]
    # A band has so few lines that its level would vary by chance; normalise it.
    wanted = np.sqrt(shares(sample_rate))
    return np.asarray(table * (wanted / np.maximum(table.std(axis=0), 1e-12)), np.float32)
