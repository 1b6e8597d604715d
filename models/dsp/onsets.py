"""Onset detection: peaks of the spectral flux of mel bands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from export.format.mel_scale import mel_weights
from realtime.dsp.rtpghi import stft_magnitudes

Audio = NDArray[np.floating]

WINDOW_S, HOP_S = 0.04, 0.01
BANDS = 80
FLOOR_DB = -60.0
"""Floor relative to the loudest band."""
LAG = 2
"""Distance of the two frames compared: the overlap of the windows."""
WIDE = 3
"""Width in bands of the maximum filter on the earlier frame, which suppresses vibrato."""
BEFORE_S, AFTER_S = 0.03, 0.03
"""A peak is the maximum within this time."""
AROUND_S = 0.2
"""Time on each side of a peak for the local mean."""
STANDS_OUT_DB = 0.7
"""Height of a peak above the local mean, averaged over bands."""
APART_S = 0.06
"""Smallest distance of two onsets."""


def onsets_s(audio: Audio, rate: int) -> NDArray[np.float64]:
    """Detect onsets.

    Parameters
    ----------
    audio : np.ndarray [shape=(samples,)]
    rate
        Sample rate, Hz.

    Returns
    -------
    times : np.ndarray [shape=(onsets,)]
        Seconds, rising.

    Notes
    -----
    Source: S. Böck, G. Widmer, "Maximum Filter Vibrato Suppression for Onset Detection", DAFx 2013.
    """
    hop = round(HOP_S * rate)
    flux = _flux(np.asarray(audio, np.float32), rate, hop)
    before, after = round(BEFORE_S / HOP_S), round(AFTER_S / HOP_S)
    highest = maximum_filter1d(flux, before + after + 1, mode="constant")
    usual = uniform_filter1d(flux, 2 * round(AROUND_S / HOP_S) + 1, mode="constant")
    peaks = np.flatnonzero((flux == highest) & (flux >= usual + STANDS_OUT_DB))
    peaks = peaks[peaks * hop < len(audio) - WINDOW_S * rate / 2]  # the end of a truncated sound is not an onset
    kept: list[int] = []
    for peak in peaks:
        if not kept or peak - kept[-1] >= APART_S / HOP_S:
            kept.append(int(peak))
    return np.array(kept, float) * hop / rate


def _flux(audio: NDArray[np.float32], rate: int, hop: int) -> NDArray[np.float64]:
    """Return the mean rise of the bands in dB [shape=(frames,)]; frame k is centred on sample k * hop."""
    n_fft = 2 * round(WINDOW_S * rate / 2)
    power = mel_weights(rate, n_fft, BANDS) @ np.asarray(stft_magnitudes(audio, n_fft, hop), np.float64) ** 2
    peak = max(float(power.max()), 1e-20)
    bands = np.maximum(10 * np.log10(np.maximum(power / peak, 1e-20)), FLOOR_DB)
    bands = np.pad(bands, ((0, 0), (LAG, 0)), constant_values=FLOOR_DB)
    earlier = maximum_filter1d(bands, WIDE, axis=0)
    return np.asarray(np.maximum(bands[:, LAG:] - earlier[:, :-LAG], 0).mean(axis=0))
