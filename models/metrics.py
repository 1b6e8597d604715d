"""How far one sound is from another, by the figures that the project is judged by.

Definitions: log-mel spectra of 128 bands (STFT 2048, hop 512) in dB under the loudest band and frame of the original,
not below −80 dB, compared in frames whose original lies within 60 dB of the loudest; spectral convergence at STFT 2048,
hop 256; pitch in cents, frame by frame, where both sounds are loud enough to tell.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from models import pitch
from models.transforms.mel import mel_weights
from realtime.phase import stft_magnitudes

N_FFT = 2048
MEL_HOP = 512
FINE_HOP = 256
MEL_BANDS = 128
FLOOR_DB = -80.0
ACTIVE_DB = -60.0
PITCHED_DB = -34.0
"""Level under the loudest frame from which on a frame's pitch is compared."""

Audio = NDArray[np.floating]


def log_mel_difference_db(original: Audio, other: Audio, rate: int) -> float:
    """Mean |Δ log-mel| over the frames in which the original sounds, dB.

    Parameters
    ----------
    original, other : np.ndarray [shape=(samples,)]
        Of the same length, mono, at `rate`.
    rate
        Sample rate, Hz.
    """
    wanted, made = (_mel_power(audio, rate) for audio in (original, other))  # [bands, frames]
    peak = max(float(wanted.max()), 1e-20)
    wanted_db, made_db = (
        np.maximum(10 * np.log10(np.maximum(power / peak, 1e-20)), FLOOR_DB) for power in (wanted, made)
    )
    level = 10 * np.log10(np.maximum(wanted.sum(axis=0), 1e-20))
    active = level > level.max() + ACTIVE_DB
    return float(np.abs(wanted_db - made_db)[:, active].mean())


def spectral_convergence_db(original: Audio, other: Audio) -> float:
    """Energy of the difference of magnitudes over that of the original's, dB."""
    wanted, made = (np.asarray(stft_magnitudes(_f32(x), N_FFT, FINE_HOP, "hann"), float) for x in (original, other))
    return float(10 * np.log10(((wanted - made) ** 2).sum() / max(float((wanted**2).sum()), 1e-20) + 1e-12))


def pitch_errors_cents(original: Audio, other: Audio, rate: int, note: float) -> NDArray[np.float64]:
    """|Δ pitch| of each frame that is loud enough in the original, cents, shape [frames that count].

    Parameters
    ----------
    original, other : np.ndarray [shape=(samples,)]
        Of the same length, mono, at `rate`.
    rate
        Sample rate, Hz.
    note
        The pitch the original should have, as a MIDI note number; both are refined from it.
    """
    wanted, made = (pitch.refine(np.asarray(x), rate, note, FINE_HOP) for x in (original, other))
    level = stft_magnitudes(_f32(original), N_FFT, FINE_HOP, "hann").max(axis=0)
    loud = 20 * np.log10(np.maximum(level / max(float(level.max()), 1e-20), 1e-20)) > PITCHED_DB
    frames = min(len(wanted), len(loud))
    return np.asarray(100 * np.abs(wanted - made)[:frames][loud[:frames]])


def _mel_power(audio: Audio, rate: int) -> NDArray[np.float64]:
    magnitudes = np.asarray(stft_magnitudes(_f32(audio), N_FFT, MEL_HOP, "hann"), np.float64)
    return np.asarray(_mel(rate) @ magnitudes**2)


@cache
def _mel(rate: int) -> NDArray[np.float64]:
    return mel_weights(rate, N_FFT, MEL_BANDS).astype(np.float64)


def _f32(audio: Audio) -> NDArray[np.float32]:
    return np.asarray(audio, np.float32)
