"""Boundary metrics: how audible the joins between chunks of a sound are.

Every metric compares boundaries with other positions of the same sound, of its target spectra or of its source; equal
figures mean that the boundaries are inaudible. A boundary is given as a sample number. Boundaries in silence (60 dB
below the loudest part) are left out.

See Also
--------
models.evaluation.boundary_classifier : a classifier trained to find boundaries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from export.errors import GlitchError
from export.format.card import Spectrum
from export.format.mel_scale import bands_of
from models.dsp.sound_distances import ACTIVE_DB, FLOOR_DB, MEL_HOP, mel_power, spectral_convergence_db
from realtime.dsp.rtpghi import stft_magnitudes

Audio = NDArray[np.floating]
Floats = NDArray[np.float64]
Positions = NDArray[np.int64]

AROUND_FRAMES = 2
"""Frames on either side of a boundary that are compared with the target spectra."""
REACH = 64
"""Samples on either side of a position that are searched for the largest second difference."""
LEVEL_SAMPLES = 4096
"""Samples over which the level around a position is averaged."""
MIN_BOUNDARIES = 10
"""Fewer boundaries give no reliable figure."""
SILENT = 1e-12
"""Power that counts as digital silence."""


class BoundaryError(GlitchError):
    """There are too few boundaries, or the sound is too short or too quiet, to measure."""


@dataclass(frozen=True)
class BoundaryMean:
    """Mean of a metric over boundaries.

    Attributes
    ----------
    value
        The mean.
    error
        Its standard error.
    boundaries
        Number of audible boundaries.
    """

    value: float
    error: float
    boundaries: int


def convergence_db(
    audio: Audio,
    wanted: Audio,
    spectrum: Spectrum,
    rate: int,
    boundaries: Sequence[int],
    *,
    around: int = AROUND_FRAMES,
) -> float:
    """Compute the spectral convergence near boundaries.

    The norm of the difference of magnitudes relative to the norm of the target's.

    Parameters
    ----------
    audio : np.ndarray [shape=(samples,)]
        Sound made from `wanted`.
    wanted : np.ndarray [shape=(rows, frames)]
        Target: magnitudes of a centred STFT, or power in its mel bands (whose square roots are compared); linear,
        whatever the scale of the spectrum.
    spectrum
        Frame length, hop, window and bands.
    rate
        Sample rate, Hz.
    boundaries
        Sample numbers.
    around
        Frames on either side of a boundary to compare.

    Returns
    -------
    convergence : float
        dB, at least -120; lower is better.

    Raises
    ------
    BoundaryError
        No boundary is within the sound, or the target is silent at all boundaries.
    """
    made = stft_magnitudes(np.asarray(audio, np.float32), spectrum.n_fft, spectrum.hop, spectrum.window)
    frames = min(made.shape[1], wanted.shape[1])
    near = np.zeros(frames, bool)
    for boundary in boundaries:
        k = int(np.floor(boundary / spectrum.hop + 0.5))
        near[max(k - around, 0) : max(k + around + 1, 0)] = True
    if not near.any():
        raise BoundaryError("No boundary is within the sound; give boundaries as its sample numbers.")
    had, should = np.asarray(made[:, :frames][:, near], float), np.asarray(wanted[:, :frames][:, near], float)
    if spectrum.mel is not None:
        had, should = np.sqrt(bands_of(spectrum, rate) @ had**2), np.sqrt(should)
    level = float(np.linalg.norm(should))
    if level**2 <= SILENT:
        raise BoundaryError("The target is silent at all boundaries; use another sound.")
    return float(20 * np.log10(max(float(np.linalg.norm(had - should)) / level, 1e-6)))


def jump_db(audio: Audio, boundaries: Sequence[int], *, reach: int = REACH) -> BoundaryMean:
    """Compute how much larger the second difference is at boundaries than elsewhere.

    The peak of the second difference within `reach` samples of a boundary, in dB, minus the mean of the same over all
    positions of the two chunks that meet there; averaged over boundaries.

    Parameters
    ----------
    audio : np.ndarray [shape=(samples,)]
    boundaries
        Sample numbers.
    reach
        Samples on either side of a boundary.

    Returns
    -------
    jump : BoundaryMean
        dB: 0 where boundaries are like the rest, 10 and more for clicks.

    Raises
    ------
    BoundaryError
        There are fewer than `MIN_BOUNDARIES` audible boundaries.
    """
    peaks = 20 * np.log10(np.maximum(curvature(audio, reach), 1e-7))  # [positions]
    at, elsewhere = positions(audible(audio)[1:-1], boundaries, reach)
    chunk = int(np.median(np.diff(np.sort(np.asarray(boundaries))))) if len(boundaries) > 1 else len(peaks)
    other = np.zeros(len(peaks) + 1)
    count = np.zeros(len(peaks) + 1)
    usual = np.zeros(len(peaks), bool)
    usual[elsewhere] = True
    np.cumsum(np.where(usual, peaks, 0.0), out=other[1:])
    np.cumsum(usual, out=count[1:])
    low, high = np.maximum(at - chunk, 0), np.minimum(at + chunk, len(peaks))
    beside = count[high] - count[low]
    compared = beside > 0
    mean = (other[high] - other[low])[compared] / beside[compared]
    return _mean_of(peaks[at][compared] - mean)


def flux_ratio(audio: Audio, source: Audio | None, boundaries: Sequence[int], rate: int) -> BoundaryMean:
    """Compute the spectral flux at boundaries relative to elsewhere, divided by the same ratio of the source.

    Flux is the mean rise of the log-mel bands from one frame to the next, the larger of the two steps at a position.

    Parameters
    ----------
    audio, source : np.ndarray [shape=(samples,)]
        The sound, and the sound that it was made from, aligned in time. None as source stands for one whose flux is
        the same everywhere.
    boundaries
        Sample numbers.
    rate
        Sample rate, Hz.

    Returns
    -------
    ratio : BoundaryMean
        1 where the flux at boundaries is that of the source.

    Raises
    ------
    BoundaryError
        There are fewer than `MIN_BOUNDARIES` audible boundaries.
    """
    if source is not None:
        length = min(len(audio), len(source))
        audio, source = audio[:length], source[:length]
    made = _flux_at(audio, boundaries, rate)
    given = BoundaryMean(1.0, 0.0, made.boundaries) if source is None else _flux_at(source, boundaries, rate)
    ratio = made.value / max(given.value, 1e-9)
    error = ratio * float(np.hypot(made.error / max(made.value, 1e-9), given.error / max(given.value, 1e-9)))
    return BoundaryMean(ratio, error, min(made.boundaries, given.boundaries))


def equivariance_db(delayed: Callable[[int], Audio], shifts: Sequence[int]) -> float:
    """Measure how much the output of a process changes, beyond the delay, when its input is delayed.

    The spectral convergence between the output for a delayed input, shifted back, and the output without delay. Phases
    are ignored. Averaged as energy over the shifts, on the middle half of the sound.

    Parameters
    ----------
    delayed : callable
        Takes a delay of the input in samples and returns the output [shape=(samples,)], starting at the same time.
    shifts
        Delays, in samples.

    Returns
    -------
    error : float
        dB relative to the output; lower is better.

    Raises
    ------
    BoundaryError
        The output is silent.
    """
    whole = delayed(0)
    middle = slice(len(whole) // 4, len(whole) - len(whole) // 4)
    usual = whole[middle]
    if float(np.square(usual, dtype=np.float64).sum()) <= SILENT:
        raise BoundaryError("The output is silent; use another sound.")
    errors = [10 ** (spectral_convergence_db(usual, delayed(shift)[shift:][middle]) / 10) for shift in shifts]
    return float(10 * np.log10(np.mean(errors)))


def curvature(audio: Audio, reach: int) -> Floats:
    """Compute the largest second difference within `reach` samples of each position [shape=(samples - 2,)]."""
    bend = np.abs(np.diff(np.asarray(audio, np.float64), 2))
    return np.asarray(maximum_filter1d(bend, 2 * reach + 1))


def audible(audio: Audio) -> NDArray[np.bool_]:
    """Find the samples whose level is within 60 dB of the loudest [shape=(samples,)]."""
    power = uniform_filter1d(np.square(np.asarray(audio, np.float64)), LEVEL_SAMPLES, mode="constant")
    peak = float(power.max(initial=0.0))
    return np.asarray(power > max(peak * 10 ** (ACTIVE_DB / 10), SILENT))


def positions(is_audible: NDArray[np.bool_], boundaries: Sequence[int], reach: int) -> tuple[Positions, Positions]:
    """Find the audible boundaries, and the audible positions away from any.

    Parameters
    ----------
    is_audible : np.ndarray [shape=(positions,)]
        True where a position (a sample or a frame) is audible.
    boundaries
        Numbers of positions.
    reach
        Positions on either side of a boundary that belong to it.

    Returns
    -------
    inside : np.ndarray [shape=(boundaries,)]
        Audible boundaries, at least `reach` from both ends.
    elsewhere : np.ndarray [shape=(others,)]
        Audible positions that are more than twice the reach from every boundary.

    Raises
    ------
    BoundaryError
        Nothing is audible, there are fewer than `MIN_BOUNDARIES` boundaries, or there are no positions between them.
    """
    if not is_audible.any():
        raise BoundaryError("The sound is silent; use another one.")
    count = len(is_audible)
    inside = np.array([boundary for boundary in boundaries if reach <= boundary < count - reach], np.int64)
    far = is_audible.copy()
    far[:reach] = far[max(count - reach, 0) :] = False
    for boundary in inside:
        far[max(boundary - 2 * reach, 0) : boundary + 2 * reach + 1] = False
    inside, elsewhere = inside[is_audible[inside]], np.flatnonzero(far)
    if len(inside) < MIN_BOUNDARIES:
        raise BoundaryError(f"{len(inside)} boundaries are audible, but {MIN_BOUNDARIES} are needed; use more sound.")
    if not len(elsewhere):
        raise BoundaryError("No position is far enough from the boundaries; use longer chunks.")
    return inside, elsewhere


def log_mel(audio: Audio, rate: int) -> Floats:
    """Compute mel bands in dB relative to the loudest [shape=(bands, frames)]; frame k is centred on k * `MEL_HOP`."""
    power = mel_power(np.asarray(audio, np.float32), rate)
    peak = max(float(power.max()), 1e-20)
    return np.maximum(10 * np.log10(np.maximum(power / peak, 1e-20)), FLOOR_DB)


def in_frames(boundaries: Sequence[int]) -> list[int]:
    """Convert boundaries from sample numbers to frames of `log_mel`."""
    return [int(np.floor(boundary / MEL_HOP + 0.5)) for boundary in boundaries]


def audible_frames(audio: Audio, frames: int) -> NDArray[np.bool_]:
    """Find the audible frames of `log_mel` [shape=(frames,)]."""
    is_audible = audible(audio)[::MEL_HOP]
    return np.pad(is_audible, (0, max(frames - len(is_audible), 0)))[:frames]


def _flux_at(audio: Audio, boundaries: Sequence[int], rate: int) -> BoundaryMean:
    """Ratio of the flux at boundaries to that elsewhere."""
    bands = log_mel(audio, rate)
    change = np.maximum(np.diff(bands, axis=1), 0).mean(axis=0)  # [frames - 1]: k is between the frames k and k + 1
    steps = sliding_window_view(change, 2).max(axis=1)  # [frames - 2]: k is around the frame k + 1
    is_audible = audible_frames(audio, bands.shape[1])[1:-1]
    at, elsewhere = positions(is_audible, [k - 1 for k in in_frames(boundaries)], AROUND_FRAMES)
    return _mean_of(steps[at] / max(float(steps[elsewhere].mean()), 1e-9))


def _mean_of(values: Floats) -> BoundaryMean:
    if len(values) < MIN_BOUNDARIES:
        raise BoundaryError(
            f"{len(values)} boundaries can be compared, but {MIN_BOUNDARIES} are needed; use more sound."
        )
    return BoundaryMean(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))), len(values))
