"""Preparation of raw sounds: trims silence at both ends and normalises loudness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

_STEP_SECONDS = 0.01
_BEFORE_SECONDS, _AFTER_SECONDS = 0.01, 0.05
_BLOCK_SECONDS, _OVERLAP = 0.4, 4
_GATE_LUFS, _RELATIVE_GATE_LU = -70.0, -10.0
_SILENCE_LUFS = -120.0


@dataclass(frozen=True)
class Preparation:
    """Settings of the preparation.

    `trim_db` is the threshold of silence at the ends, in dB below the loudest 10 ms; `loudness_lufs` the target
    loudness (ITU-R BS.1770).
    """

    trim_db: float = 60.0
    loudness_lufs: float = -20.0


def prepare(audio: NDArray[np.float32], rate: int, preparation: Preparation) -> NDArray[np.float32]:
    """Trim a sound and normalise its loudness.

    Silence is only trimmed.

    Parameters
    ----------
    audio : np.ndarray [shape=(samples,)]
    rate
        Sample rate, Hz.
    preparation
        Threshold and target loudness.

    Returns
    -------
    prepared : np.ndarray [shape=(samples,)]
    """
    trimmed = trim(audio, rate, preparation.trim_db)
    found = loudness_lufs(trimmed, rate)
    if found <= _GATE_LUFS:
        return trimmed
    return np.asarray(trimmed * 10 ** ((preparation.loudness_lufs - found) / 20), np.float32)


def trim(audio: NDArray[np.float32], rate: int, below_db: float) -> NDArray[np.float32]:
    """Remove silence at both ends, but for 10 ms before and 50 ms after the sound.

    Parameters
    ----------
    audio : np.ndarray [shape=(samples,)]
    rate
        Sample rate, Hz.
    below_db
        Threshold of silence, dB below the loudest 10 ms.

    Returns
    -------
    trimmed : np.ndarray [shape=(samples,)]
    """
    step = max(1, round(_STEP_SECONDS * rate))
    blocks = np.pad(audio, (0, -len(audio) % step)).reshape(-1, step)
    level = np.sqrt(np.mean(np.square(blocks, dtype=np.float64), axis=1))  # [blocks]
    audible = np.flatnonzero(level > level.max(initial=0.0) * 10 ** (-below_db / 20))
    if not len(audible):
        return audio
    first = max(0, int(audible[0]) * step - round(_BEFORE_SECONDS * rate))
    last = (int(audible[-1]) + 1) * step + round(_AFTER_SECONDS * rate)
    return audio[first:last]


def loudness_lufs(audio: NDArray[np.float32], rate: int) -> float:
    """Measure the integrated loudness of a mono sound.

    Source: ITU-R BS.1770-5, annex 1: K-weighting, blocks of 400 ms every 100 ms, gated at −70 LUFS and then at 10 LU
    under their mean. A shorter sound is one block.

    Parameters
    ----------
    audio : np.ndarray [shape=(samples,)]
    rate
        Sample rate, Hz.

    Returns
    -------
    float
        LUFS: −3.01 for a full-scale sine of 997 Hz, −120 for silence.
    """
    if not len(audio):
        return _SILENCE_LUFS
    weighted = _k_weighted(audio, rate)
    block = min(len(weighted), round(_BLOCK_SECONDS * rate))
    starts = np.arange(0, len(weighted) - block + 1, max(1, block // _OVERLAP))
    energy = np.concatenate([[0.0], np.cumsum(weighted**2)])
    power = (energy[starts + block] - energy[starts]) / block  # [blocks]
    for gate in (_GATE_LUFS, None):
        if not len(power):
            return _SILENCE_LUFS
        threshold = _lufs(float(power.mean())) + _RELATIVE_GATE_LU if gate is None else gate
        power = power[power > 10 ** ((threshold + 0.691) / 10)]
    return _lufs(float(power.mean())) if len(power) else _SILENCE_LUFS


def _lufs(power: float) -> float:
    return -0.691 + 10 * float(np.log10(max(power, 1e-12)))


def _k_weighted(audio: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """Apply K-weighting: a shelf of 4 dB above 1.7 kHz and a high pass at 38 Hz.

    The standard gives coefficients for 48 kHz; these are derived from the analogue filters, for any sample rate.

    Returns
    -------
    weighted : np.ndarray [shape=(samples,)]
    """
    k = np.tan(np.pi * 1681.974450955533 / rate)
    q, high = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    norm = 1 + k / q + k * k
    shelf = np.array([high + band * k / q + k * k, 2 * (k * k - high), high - band * k / q + k * k]) / norm
    shelved = lfilter(
        shelf, np.array([1, 2 * (k * k - 1) / norm, (1 - k / q + k * k) / norm]), audio.astype(np.float64)
    )
    k, q = np.tan(np.pi * 38.13547087602444 / rate), 0.5003270373238773
    norm = 1 + k / q + k * k
    pole = np.array([1, 2 * (k * k - 1) / norm, (1 - k / q + k * k) / norm])
    return np.asarray(lfilter(np.array([1.0, -2.0, 1.0]), pole, shelved), np.float64)
