"""The mel scale, and the filters that sum the power of a spectrum in mel bands."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from export.errors import ContractError
from export.format.card import Spectrum

Frequencies = NDArray[np.float64]

_LINEAR_HZ, _BREAK_HZ, _LOG_STEP = 200 / 3, 1000.0, math.log(6.4) / 27  # Slaney: Hz a mel below 1 kHz, nepers above


def hz_to_mel(hz: ArrayLike, *, htk: bool = False) -> Frequencies:
    """Convert frequencies from Hz to mel.

    Parameters
    ----------
    hz : array_like
        Frequencies in Hz.
    htk : bool
        Use HTK's scale (S. Young et al., The HTK Book, section 5.4) instead of Slaney's, which is linear up to 1 kHz
        and logarithmic above (M. Slaney, Auditory Toolbox, Technical Report 1998-010, Interval Research).

    Returns
    -------
    np.ndarray
        Of the same shape.
    """
    hz = np.asarray(hz, np.float64)
    if htk:
        return np.asarray(2595.0 * np.log10(1 + hz / 700.0))
    above = _BREAK_HZ / _LINEAR_HZ + np.log(np.maximum(hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(hz < _BREAK_HZ, hz / _LINEAR_HZ, above)


def mel_to_hz(mel: ArrayLike, *, htk: bool = False) -> Frequencies:
    """Convert mel to Hz; the inverse of `hz_to_mel`."""
    mel = np.asarray(mel, np.float64)
    if htk:
        return np.asarray(700.0 * (10 ** (mel / 2595.0) - 1))
    break_mel = _BREAK_HZ / _LINEAR_HZ
    return np.where(mel < break_mel, mel * _LINEAR_HZ, _BREAK_HZ * np.exp(_LOG_STEP * (mel - break_mel)))


def mel_weights(
    sample_rate: int,
    n_fft: int,
    bands: int,
    *,
    low_hz: float = 0.0,
    high_hz: float | None = None,
    htk: bool = False,
) -> NDArray[np.float32]:
    """Make triangular filters of equal area, evenly spaced on the mel scale.

    Parameters
    ----------
    sample_rate, n_fft
        Of the spectrum, in Hz and samples.
    bands
        Number of filters.
    low_hz, high_hz
        Lower edge of the first band and upper edge of the last, in Hz. Default: 0 and half the sample rate.
    htk
        Use HTK's scale instead of Slaney's.

    Returns
    -------
    np.ndarray [shape=(bands, n_fft // 2 + 1)]
        Weights of the power of each bin.

    Raises
    ------
    ContractError
        There is no band, or the frequencies don't rise within 0 Hz and half the sample rate.
    """
    top = sample_rate / 2 if high_hz is None else high_hz
    if bands < 1 or not 0 <= low_hz < top <= sample_rate / 2:
        raise ContractError(
            f"{bands} mel bands from {low_hz:g} to {top:g} Hz are impossible; give at least one band, and two rising "
            f"frequencies from 0 to {sample_rate / 2:g} Hz."
        )
    ends = hz_to_mel([low_hz, top], htk=htk)
    hz = mel_to_hz(np.linspace(ends[0], ends[1], bands + 2), htk=htk)
    frequency = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    low, middle, high = hz[:-2, None], hz[1:-1, None], hz[2:, None]
    rising, falling = (frequency - low) / (middle - low), (high - frequency) / (high - middle)
    return np.asarray(np.maximum(np.minimum(rising, falling), 0) * 2 / (high - low), np.float32)


def bands_of(spectrum: Spectrum, sample_rate: int) -> NDArray[np.float32]:
    """Make the filters of a mel spectrum.

    Returns
    -------
    np.ndarray [shape=(bands, bins)]

    Raises
    ------
    ContractError
        The spectrum has no mel bands, or impossible ones.
    """
    mel = spectrum.mel
    if mel is None:
        raise ContractError("The spectrum has no mel bands; use a spectrum with `mel`.")
    return mel_weights(sample_rate, spectrum.n_fft, mel.bands, low_hz=mel.low_hz, high_hz=mel.high_hz)
