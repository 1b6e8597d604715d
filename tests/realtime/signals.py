"""Sounds to play into a session, and measures of what comes back."""

from __future__ import annotations

import numpy as np
from numpy.fft import irfft, rfft

from realtime.audio.callback import DC_HZ

RATE = 48_000
NOISE = np.random.default_rng(0).uniform(-0.25, 0.25, (1, RATE)).astype(np.float32)
SINE = (0.4 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)[None]


def lag(before: np.ndarray, after: np.ndarray) -> int:
    """Return the lag of one sound behind another in samples, from their cross-correlation."""
    size = 1 << (2 * len(before) - 1).bit_length()
    return int(np.argmax(irfft(np.conj(rfft(before, size)) * rfft(after, size))[: len(before)]))


def without_dc(x: np.ndarray, rate: float) -> np.ndarray:
    """Apply the callback's DC filter."""
    pole, out, last_in, last_out = 1 - 2 * np.pi * DC_HZ / rate, np.zeros(len(x)), 0.0, 0.0
    for i, sample in enumerate(x.astype(float)):
        last_in, last_out = sample, sample - last_in + pole * last_out
        out[i] = last_out
    return out


def share(x: np.ndarray, frequency: float) -> float:
    """Give the amplitude of a frequency in a piece of sound at 48 kHz."""
    window = np.hanning(len(x))
    return float(2 * np.abs((x * window) @ np.exp(-2j * np.pi * frequency * np.arange(len(x)) / RATE)) / window.sum())
