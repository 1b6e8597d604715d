"""Pitch of a sound, frame by frame: estimated, or refined from a known note.

Needs no torch. Frames are centred on multiples of the hop, as in `realtime.dsp.rtpghi.stft_magnitudes`.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from realtime.dsp.rtpghi import stft_magnitudes

A4_HZ = 440.0
A4_NOTE = 69.0

Floats = NDArray[np.float64]

_PASSES = ((3, 50.0), (6, 30.0), (12, 18.0), (24, 12.0))
"""Passes of the refinement: number of harmonics, and largest deviation of a peak in cents."""

_LONG_WINDOW_BELOW_HZ = 185.0
_QUIET = 0.02
_ONE_SIDED = 0.05
_MAX_STRETCH = 3e-3
_MAX_DRIFT_SEMITONES = 0.8
_FRAMES_AT_ONCE = 1024


def note_to_hz(note: NDArray[np.floating] | float) -> Floats:
    """Convert MIDI note numbers to Hz (69 is 440 Hz)."""
    return np.asarray(A4_HZ * 2.0 ** ((np.asarray(note, np.float64) - A4_NOTE) / 12))


def hz_to_note(hz: NDArray[np.floating] | float) -> Floats:
    """Convert Hz to MIDI note numbers."""
    return np.asarray(A4_NOTE + 12 * np.log2(np.asarray(hz, np.float64) / A4_HZ))


def refine(audio: NDArray[np.floating], rate: int, prior: NDArray[np.floating] | float, hop: int) -> Floats:
    """Refine a known pitch on the harmonics of the sound.

    Peaks of the spectrum near the first 3, 6, 12 and 24 harmonics each vote for f0, weighted by level and number (a
    high harmonic determines f0 more precisely). The stretch of a stiff string, f_k = k f0 sqrt(1 + B k²), is fitted as
    well.

    Parameters
    ----------
    audio : np.ndarray [shape=(samples,)]
        The sound, mono.
    rate
        Its sample rate, Hz.
    prior : float or np.ndarray [shape=(frames,)]
        Expected pitch as MIDI note numbers.
    hop
        Samples between frames.

    Returns
    -------
    np.ndarray [shape=(1 + samples // hop,)]
        MIDI note numbers. Frames that are too quiet get the pitch of their neighbours.

    See Also
    --------
    refine_stretched : Returns the stretch as well.
    """
    return refine_stretched(audio, rate, prior, hop)[0]


def refine_stretched(
    audio: NDArray[np.floating], rate: int, prior: NDArray[np.floating] | float, hop: int
) -> tuple[Floats, float]:
    """Refine a known pitch like `refine`, and return the stretch B of f_k = k f0 sqrt(1 + B k²) with it."""
    frames = 1 + len(audio) // hop
    expected = np.broadcast_to(note_to_hz(prior), (frames,))
    lowest = float(np.median(expected))
    n_fft = 2048 if lowest > _LONG_WINDOW_BELOW_HZ else 4096
    n_fft = max(256, 1 << round(np.log2(n_fft * rate / 48_000)))
    magnitudes = np.asarray(stft_magnitudes(np.asarray(audio, np.float32), n_fft, hop, "hann"), np.float64).T
    level = magnitudes.max(axis=1)
    loud = level > _QUIET * max(float(level.max()), 1e-9)
    bin_hz = rate / n_fft
    f0, stretch = expected.copy(), 0.0
    for harmonics, tolerance in _PASSES:
        count = max(1, min(harmonics, int(0.44 * rate / lowest)))
        k = np.arange(1, count + 1)
        guess = f0[:, None] * k * np.sqrt(1 + stretch * k**2)  # [frames, harmonics]
        reach = 1 if count > 6 else int(np.clip(lowest / bin_hz / 2.5, 1, 3))
        found, height, is_peak = peaks(magnitudes, guess / bin_hz, reach)
        found *= bin_hz
        off = np.abs(1200 * np.log2(np.maximum(found, 1e-3) / guess))
        weight = height**0.7 * np.minimum(k, 12) * is_peak * (off < tolerance)
        weight *= height > 1e-3 * height.max(axis=1, keepdims=True)
        squared = (found / (k * expected[:, None])) ** 2
        if count >= 6:
            stretch = _fit_stretch(squared[loud], weight[loud], k)
        total = weight.sum(axis=1)
        found_in = loud & (total > 1e-9)
        if found_in.sum() < 3:
            break
        mean = (weight * squared / (1 + stretch * k**2)).sum(axis=1) / np.maximum(total, 1e-9)
        ratio = np.interp(np.arange(frames), np.flatnonzero(found_in), np.sqrt(mean[found_in]))
        limit = 2 ** (_MAX_DRIFT_SEMITONES / 12)
        f0 = expected * np.clip(median_filter(ratio, size=5, mode="nearest"), 1 / limit, limit)
    smooth = np.convolve(np.pad(f0, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
    return hz_to_note(smooth), stretch


def estimate(
    audio: NDArray[np.floating],
    rate: int,
    hop: int,
    *,
    lowest_hz: float = 50.0,
    highest_hz: float = 2000.0,
    threshold: float = 0.15,
) -> Floats:
    """Estimate the pitch of a sound.

    YIN (de Cheveigné and Kawahara, JASA 111(4), 2002, steps 2 to 5): the first dip of the cumulative mean normalised
    difference function below the threshold, then a parabola through it. Frames without such a dip (noise, silence)
    get the pitch of their neighbours; a sound without any gets the geometric mean of the range.

    Parameters
    ----------
    audio : np.ndarray [shape=(samples,)]
        The sound, mono.
    rate
        Its sample rate, Hz.
    hop
        Samples between frames.
    lowest_hz, highest_hz
        Range of the search.
    threshold
        Depth of a dip: 0 is a perfect period, 1 is noise.

    Returns
    -------
    np.ndarray [shape=(1 + samples // hop,)]
        MIDI note numbers.
    """
    pitch = _dips(audio, rate, hop, lowest_hz, highest_hz, threshold)
    voiced = np.isfinite(pitch)
    frames = len(pitch)
    if not voiced.any():
        return np.full(frames, float(hz_to_note(np.sqrt(lowest_hz * highest_hz))))
    steady: Floats = np.interp(np.arange(frames), np.flatnonzero(voiced), pitch[voiced])
    return np.asarray(median_filter(steady, size=5, mode="nearest"))


def steady_note(audio: NDArray[np.floating], rate: int) -> float | None:
    """Return the pitch of a sound that is a single steady note, else None.

    A note is steady if four in five of its loud frames (at most 40 dB below the loudest) are within half a semitone of
    their median.

    Parameters
    ----------
    audio : np.ndarray [shape=(samples,)]
        The sound, mono.
    rate
        Its sample rate, Hz.

    Returns
    -------
    note : float or None
        MIDI note number.
    """
    hop = max(1, rate // 100)
    pitch = _dips(audio, rate, hop, 50.0, 2000.0, 0.15)
    blocks = np.pad(np.asarray(audio, np.float64), (hop // 2, 2 * hop))[: len(pitch) * hop].reshape(-1, hop)
    level = np.sqrt((blocks**2).mean(axis=1))  # [frames]
    loud = level > 0.01 * max(float(level.max()), 1e-9)
    if not np.isfinite(pitch[loud]).any():
        return None
    middle = float(np.nanmedian(pitch[loud]))
    with np.errstate(invalid="ignore"):
        near = np.abs(pitch[loud] - middle) < 0.5
    return middle if near.mean() >= 0.8 else None


def _dips(
    audio: NDArray[np.floating], rate: int, hop: int, lowest_hz: float, highest_hz: float, threshold: float
) -> Floats:
    """YIN frame by frame: MIDI note numbers, not a number where there is no dip below the threshold, [frames]."""
    frames = 1 + len(audio) // hop
    longest, shortest = int(np.ceil(rate / lowest_hz)), max(2, int(rate / highest_hz))
    width = 2 * longest
    padded = np.pad(np.asarray(audio, np.float64), (width // 2, width // 2 + hop))
    windows = sliding_window_view(padded, width)[::hop][:frames]  # [frames, width]
    pitch = np.full(frames, np.nan)
    for first in range(0, frames, _FRAMES_AT_ONCE):
        part = windows[first : first + _FRAMES_AT_ONCE]
        normalised = _normalised_difference(part, longest)  # [part, longest]
        for t in np.flatnonzero(part.std(axis=1) >= 1e-5):
            row = normalised[t]
            below = np.flatnonzero(row[shortest:] < threshold)
            if not len(below):
                continue
            lag = shortest + int(below[0])
            while lag + 1 < longest and row[lag + 1] < row[lag]:
                lag += 1
            pitch[first + t] = hz_to_note(rate / (lag + _parabola(row, lag)))
    return pitch


def peaks(magnitudes: Floats, guess: Floats, reach: int) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Find the highest bin within `reach` of each guess.

    The position between bins follows from the main lobe of the Hann window: three neighbouring magnitudes of a sine
    satisfy d = 2 (X[+1] − X[−1]) / (X[−1] + 2 X[0] + X[+1]) exactly.

    Parameters
    ----------
    magnitudes : np.ndarray [shape=(frames, bins)]
    guess : np.ndarray [shape=(frames, harmonics)]
        Expected positions in bins.
    reach
        Bins to search on each side.

    Returns
    -------
    position, height, is_peak : np.ndarray [shape=(frames, harmonics)]
        Position in bins, magnitude, and whether it is a local maximum.
    """
    frames, bins = magnitudes.shape
    rows = np.arange(frames)[:, None]
    best = np.clip(np.round(guess).astype(int), 1 + reach, bins - 2 - reach)
    centre = best.copy()
    for offset in range(-reach, reach + 1):
        other = centre + offset
        best = np.where(magnitudes[rows, other] > magnitudes[rows, best], other, best)
    left, middle, right = (magnitudes[rows, best + offset] for offset in (-1, 0, 1))
    shift = 2 * (right - left) / np.maximum(left + 2 * middle + right, 1e-12)
    return best + np.clip(shift, -0.5, 0.5), middle, (middle >= left) & (middle >= right)


def _fit_stretch(squared: Floats, weight: Floats, k: NDArray[np.int_]) -> float:
    """Fit B of (f_k / k f0)² = c (1 + B k²), one for all frames, each frame with a c of its own."""
    total = np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
    square = (k**2).astype(np.float64)
    dx = square - (weight * square).sum(axis=1, keepdims=True) / total
    dy = squared - (weight * squared).sum(axis=1, keepdims=True) / total
    slope = float((weight * dx * dy).sum() / max(float((weight * dx**2).sum()), 1e-12))
    return slope if 2e-5 < slope < _MAX_STRETCH else 0.0


def _normalised_difference(windows: Floats, longest: int) -> Floats:
    """YIN's d'(lag) for lags 0 to `longest` − 1 (its equations 6 to 8), by FFT, shape [frames, longest]."""
    width = windows.shape[1]
    half = width - longest
    size = 1 << int(np.ceil(np.log2(width + half)))
    spectrum = np.fft.rfft(windows, size)
    head = np.fft.rfft(windows[:, :half], size)
    correlation = np.fft.irfft(spectrum * np.conj(head), size)[:, :longest]
    energy = np.cumsum(np.pad(windows**2, ((0, 0), (1, 0))), axis=1)
    sliding = energy[:, half : half + longest] - energy[:, :longest]
    difference = np.maximum(sliding[:, :1] + sliding - 2 * correlation, 0)
    mean = np.cumsum(difference[:, 1:], axis=1) / np.arange(1, longest)
    normalised = np.ones_like(difference)
    normalised[:, 1:] = difference[:, 1:] / np.maximum(mean, 1e-12)
    # At the start and the end of a sound there is no second period to compare with.
    one_sided = sliding.min(axis=1) < _ONE_SIDED * sliding.max(axis=1)
    normalised[one_sided] = 1.0
    return normalised


def _parabola(row: Floats, lag: int) -> float:
    """Return the offset from `lag` to the minimum of the parabola through it and its neighbours."""
    if not 0 < lag < len(row) - 1:
        return 0.0
    left, middle, right = row[lag - 1 : lag + 2]
    bend = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend > 1e-12 else 0.0
