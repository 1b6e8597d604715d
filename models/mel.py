"""The mel scale: filters that sum a spectrum into bands as wide as hearing is sharp."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_LINEAR_HZ = 200 / 3
_BREAK_HZ = 1000.0
_LOG_STEP = math.log(6.4) / 27


def mel_weights(sample_rate: int, n_fft: int, bands: int) -> NDArray[np.float32]:
    """Triangular filters of equal area on Slaney's mel scale, linear up to 1 kHz, from 0 to half the sample rate.

    Source: M. Slaney, Auditory Toolbox, Technical Report 1998-010.

    Returns
    -------
    np.ndarray [shape=(bands, n_fft // 2 + 1)]
        Weights of the power in each bin.
    """
    break_mel = _BREAK_HZ / _LINEAR_HZ
    top = break_mel + math.log(sample_rate / 2 / _BREAK_HZ) / _LOG_STEP
    mel = np.linspace(0, top, bands + 2)
    hz = np.where(mel < break_mel, mel * _LINEAR_HZ, _BREAK_HZ * np.exp(_LOG_STEP * (mel - break_mel)))
    frequency = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    low, middle, high = hz[:-2, None], hz[1:-1, None], hz[2:, None]
    rising, falling = (frequency - low) / (middle - low), (high - frequency) / (high - middle)
    return np.asarray(np.maximum(np.minimum(rising, falling), 0) * 2 / (high - low), np.float32)
