"""Distances between two sounds.

Definitions: log-mel spectra of 128 bands (STFT 2048, hop 512) in dB relative to the loudest band and frame of the
original, at least −80 dB, compared in frames of the original within 60 dB of the loudest; spectral convergence at STFT
2048, hop 256; pitch in cents, frame by frame, where the original is loud enough; the multi-resolution distance of
`multi_resolution`; the level before an onset, over 40 ms that end 5 ms before it, since anything later is masked; and
buzz, the modulation of a sound's sharpness at the frame rate.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from export.format.mel_scale import mel_weights
from models.dsp import pitch
from realtime.dsp.rtpghi import stft_magnitudes

N_FFT = 2048
MEL_HOP = 512
FINE_HOP = 256
MEL_BANDS = 128
FLOOR_DB = -80.0
ACTIVE_DB = -60.0
PITCHED_DB = -34.0
"""Level relative to the loudest frame above which pitch is compared."""

RESOLUTIONS = ((512, 128), (1024, 256), (2048, 512))
ONSET_DB = -40.0
"""Level relative to the peak at the onset."""

BEFORE_S, MASKED_S = 0.04, 0.005

PLACES = 32
"""Positions between two frames whose sharpness is compared."""

Audio = NDArray[np.floating]


def log_mel_difference_db(original: Audio, other: Audio, rate: int) -> float:
    """Compute mean |Δ log-mel| over the frames in which the original sounds.

    Parameters
    ----------
    original, other : np.ndarray [shape=(samples,)]
        Of the same length, mono, at `rate`.
    rate
        Sample rate, Hz.

    Returns
    -------
    difference : float
        dB.
    """
    wanted, made = (mel_power(audio, rate) for audio in (original, other))  # [bands, frames]
    peak = max(float(wanted.max()), 1e-20)
    wanted_db, made_db = (
        np.maximum(10 * np.log10(np.maximum(power / peak, 1e-20)), FLOOR_DB) for power in (wanted, made)
    )
    level = 10 * np.log10(np.maximum(wanted.sum(axis=0), 1e-20))
    active = level > level.max() + ACTIVE_DB
    return float(np.abs(wanted_db - made_db)[:, active].mean())


def spectral_convergence_db(original: Audio, other: Audio) -> float:
    """Compute the energy of the difference of magnitudes relative to that of the original, dB."""
    wanted, made = (np.asarray(stft_magnitudes(_f32(x), N_FFT, FINE_HOP, "hann"), float) for x in (original, other))
    return float(10 * np.log10(((wanted - made) ** 2).sum() / max(float((wanted**2).sum()), 1e-20) + 1e-12))


def pitch_errors_cents(original: Audio, other: Audio, rate: int, note: float) -> NDArray[np.float64]:
    """Compute |Δ pitch| of each frame that is loud enough in the original.

    Parameters
    ----------
    original, other : np.ndarray [shape=(samples,)]
        Of the same length, mono, at `rate`.
    rate
        Sample rate, Hz.
    note
        Expected pitch of the original as a MIDI note number; both sounds are refined from it.

    Returns
    -------
    errors : np.ndarray [shape=(frames,)]
        Cents, of the loud frames.
    """
    wanted, made = (pitch.refine(np.asarray(x), rate, note, FINE_HOP) for x in (original, other))
    level = stft_magnitudes(_f32(original), N_FFT, FINE_HOP, "hann").max(axis=0)
    loud = 20 * np.log10(np.maximum(level / max(float(level.max()), 1e-20), 1e-20)) > PITCHED_DB
    frames = min(len(wanted), len(loud))
    return np.asarray(100 * np.abs(wanted - made)[:frames][loud[:frames]])


def multi_resolution(original: Audio, other: Audio) -> float:
    """Compute the multi-resolution STFT distance: spectral convergence (a ratio) plus mean |Δ log-magnitude| (nepers).

    Averaged over `RESOLUTIONS`; magnitudes are clipped 80 dB below the loudest of the original.

    Returns
    -------
    distance : float

    Source: R. Yamamoto, E. Song, J.-M. Kim, "Parallel WaveGAN", ICASSP 2020, equations 4 to 6.
    """
    found = []
    for n_fft, hop in RESOLUTIONS:
        wanted, made = (np.asarray(stft_magnitudes(_f32(x), n_fft, hop, "hann"), float) for x in (original, other))
        floor = max(float(wanted.max()), 1e-10) * 10 ** (FLOOR_DB / 20)
        ratio = np.linalg.norm(wanted - made) / max(float(np.linalg.norm(wanted)), 1e-10)
        logs = np.abs(np.log(np.maximum(wanted, floor)) - np.log(np.maximum(made, floor))).mean()
        found.append(float(ratio + logs))
    return float(np.mean(found))


def pre_onset_db(original: Audio, other: Audio, rate: int) -> float | None:
    """Compute the level before the original's onset, relative to the original's loudest section of the same length.

    Parameters
    ----------
    original, other : np.ndarray [shape=(samples,)]
        Of the same length, mono, at `rate`.

    Returns
    -------
    float or None
        dB; None if the silence before the original is too short.
    """
    size, masked = round(BEFORE_S * rate), round(MASKED_S * rate)
    loud = np.flatnonzero(np.abs(original) > 10 ** (ONSET_DB / 20) * np.abs(original).max(initial=1e-20))
    end = (int(loud[0]) if len(loud) else 0) - masked
    if end < size or len(original) < end + masked + size:
        return None
    power = sliding_window_view(np.asarray(original, np.float64) ** 2, size)[:: size // 8].mean(axis=1)
    before = float(np.mean(np.asarray(other[end - size : end], np.float64) ** 2))
    return float(10 * np.log10(max(before, 1e-20) / max(float(power.max()), 1e-20)))


def buzz_db(audio: Audio, hop: int = MEL_HOP) -> float:
    """Compute the modulation of a sound at the frame rate: 0.2 dB by chance for 20 s of noise.

    The ratio of highest to lowest power of the second difference, by position between two frames.

    Returns
    -------
    buzz : float
        dB.
    """
    sharp = np.diff(np.asarray(audio, np.float64), 2)
    size = hop // PLACES
    frames = sharp[: len(sharp) // hop * hop].reshape(-1, hop)[:, : PLACES * size]
    power = (frames.reshape(-1, PLACES, size) ** 2).mean(axis=(0, 2))
    return float(10 * np.log10(max(float(power.max()), 1e-20) / max(float(power.min()), 1e-20)))


def mel_power(audio: Audio, rate: int) -> NDArray[np.float64]:
    """Compute the power in each mel band [shape=(bands, frames)]; frame k is centred on sample k * `MEL_HOP`."""
    magnitudes = np.asarray(stft_magnitudes(_f32(audio), N_FFT, MEL_HOP, "hann"), np.float64)
    return np.asarray(_mel(rate) @ magnitudes**2)


@cache
def _mel(rate: int) -> NDArray[np.float64]:
    return mel_weights(rate, N_FFT, MEL_BANDS).astype(np.float64)


def _f32(audio: Audio) -> NDArray[np.float32]:
    return np.asarray(audio, np.float32)
