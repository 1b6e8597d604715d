"""The bands in which noise is told, and what a level in one of them means.

A level is the logarithm of a standard deviation: that of white noise which is as dense everywhere as this noise is in
its band. So it depends neither on how long a window was nor on how wide the band is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BANDS = 48
Floats = NDArray[np.float64]


def edges(sample_rate: int) -> Floats:
    """Hz at which bands begin and end, even on the mel scale up to half the sample rate, shape [BANDS + 1].

    Source: D. O'Shaughnessy, Speech Communication, 1987, p. 150.
    """
    top = 2595 * np.log10(1 + sample_rate / 2 / 700)
    return np.asarray(700 * (10 ** (np.linspace(0, top, BANDS + 1) / 2595) - 1))


def shares(sample_rate: int) -> Floats:
    """Part of white noise's power that lies in each band, shape [BANDS]; they sum to 1."""
    return np.asarray(np.diff(edges(sample_rate)) / (sample_rate / 2))


def noise_table(sample_rate: int, rows: int, seed: int) -> NDArray[np.float32]:
    """Draw a loop of noise for each band, shape [rows, BANDS]: together, white noise with a deviation of 1.

    Parameters
    ----------
    sample_rate
        Hz.
    rows
        Samples after which the loop begins again.
    seed
        Of the noise.
    """
    frequency = np.fft.rfftfreq(rows, 1 / sample_rate)
    band = np.clip(np.searchsorted(edges(sample_rate), frequency, side="right") - 1, 0, BANDS - 1)
    random = np.random.default_rng(seed)
    spectrum = random.standard_normal(len(frequency)) + 1j * random.standard_normal(len(frequency))
    spectrum[0] = spectrum[-1] = 0.0
    apart = np.where(band == np.arange(BANDS)[:, None], spectrum, 0.0)  # [BANDS, frequencies]
    table = np.fft.irfft(apart, rows).T  # [rows, BANDS]
    # A band holds few enough lines that chance would make it louder or softer than it is told to be.
    wanted = np.sqrt(shares(sample_rate))
    return np.asarray(table * (wanted / np.maximum(table.std(axis=0), 1e-12)), np.float32)
