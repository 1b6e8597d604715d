"""The mel scale: bands as wide as hearing is sharp, and the filters that sum a spectrum's power into them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from export.errors import ContractError
from export.format.card import Spectrum

Frequencies = NDArray[np.float64]

_LINEAR_HZ, _BREAK_HZ, _LOG_STEP = 200 / 3, 1000.0, math.log(6.4) / 27  # Slaney: Hz a mel below 1 kHz, nepers above


def hz_to_mel(hz: ArrayLike, *, htk: bool = False) -> Frequencies:
    """Frequencies in mel, on Slaney's scale (linear up to 1 kHz, then logarithmic) or that of HTK.

    Sources: M. Slaney, Auditory Toolbox, Technical Report 1998-010; S. Young et al., The HTK Book, 5.4.
    """
    hz = np.asarray(hz, np.float64)
    if htk:
        return np.asarray(2595.0 * np.log10(1 + hz / 700.0))
    above = _BREAK_HZ / _LINEAR_HZ + np.log(np.maximum(hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(hz < _BREAK_HZ, hz / _LINEAR_HZ, above)


def mel_to_hz(mel: ArrayLike, *, htk: bool = False) -> Frequencies:
    """Undo `hz_to_mel`."""
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
    """Triangular filters of equal area, even on the mel scale.

    Parameters
    ----------
    sample_rate, n_fft
        Of the spectrum that they weigh, Hz and samples.
    bands
        Number of filters.
    low_hz, high_hz
        Where the first begins and the last ends; by default 0 and half the sample rate.
    htk
        HTK's scale instead of Slaney's, which is linear up to 1 kHz.

    Returns
    -------
    np.ndarray [shape=(bands, n_fft // 2 + 1)]
        Weights of the power in each bin.

    Raises
    ------
    ContractError
        There are no bands, or no frequencies for them.
    """
    top = sample_rate / 2 if high_hz is None else high_hz
    if bands < 1 or not 0 <= low_hz < top <= sample_rate / 2:
        raise ContractError(
            f"{bands} mel bands from {low_hz:g} to {top:g} Hz cannot be: give at least one, and two rising "
            f"frequencies from 0 to {sample_rate / 2:g} Hz."
        )
    ends = hz_to_mel([low_hz, top], htk=htk)
    hz = mel_to_hz(np.linspace(ends[0], ends[1], bands + 2), htk=htk)
    frequency = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    low, middle, high = hz[:-2, None], hz[1:-1, None], hz[2:, None]
    rising, falling = (frequency - low) / (middle - low), (high - frequency) / (high - middle)
    return np.asarray(np.maximum(np.minimum(rising, falling), 0) * 2 / (high - low), np.float32)


def bands_of(spectrum: Spectrum, sample_rate: int) -> NDArray[np.float32]:
    """Filters of a spectrum that a card describes [shape=(bands, bins)].

    Raises
    ------
    ContractError
        It isn't one of mel bands, or they cannot be.
    """
    mel = spectrum.mel
    if mel is None:
        raise ContractError("The spectrum has no mel bands; give one that has.")
    return mel_weights(sample_rate, spectrum.n_fft, mel.bands, low_hz=mel.low_hz, high_hz=mel.high_hz)
