"""How well stitches are hidden: figures of what sounds where one chunk ends and the next begins.

Every figure compares borders with places that are none: of the same sound, of what it was to be, or of its source.
Where they come out alike, nobody can tell where the borders are. A border is a sample number. What is 60 dB under the
rest says nothing: borders in silence are left out.

See Also
--------
models.evaluation.boundary_classifier : a classifier that is trained to hear them.
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
from models.dsp.metrics import ACTIVE_DB, FLOOR_DB, MEL_HOP, mel_power, spectral_convergence_db
from realtime.dsp.rtpghi import stft_magnitudes

Audio = NDArray[np.floating]
Floats = NDArray[np.float64]
Places = NDArray[np.int64]

AROUND_FRAMES = 2
"""Frames on either side of a border in which a sound is compared with the spectra that it was to have."""
REACH = 64
"""Samples on either side of a place in which a bend is looked for."""
HEARD_SAMPLES = 4096
"""Over so many the level around a place is taken."""
LEAST_BORDERS = 10
"""With fewer, chance decides."""
SILENT = 1e-12
"""Power under which there is nothing at all."""


class StitchError(GlitchError):
    """There are too few borders, or the sound is too short or too quiet, to tell."""


@dataclass(frozen=True)
class Told:
    """A mean over borders.

    Attributes
    ----------
    value
        The mean.
    error
        Its standard error: chance moves the mean by about as much.
    borders
        How many were heard.
    """

    value: float
    error: float
    borders: int


def convergence_db(
    audio: Audio,
    wanted: Audio,
    spectrum: Spectrum,
    rate: int,
    borders: Sequence[int],
    *,
    around: int = AROUND_FRAMES,
) -> float:
    """Give the spectral convergence near borders: norm of the difference of magnitudes over that of the wanted, dB.

    Parameters
    ----------
    audio : np.ndarray [shape=(samples,)]
        What was made of the wanted.
    wanted : np.ndarray [shape=(rows, frames)]
        Magnitudes of a centred STFT, or power in its mel bands (of which the root is compared); linear, whatever the
        scale of the spectrum.
    spectrum
        Its frames, window and bands.
    rate
        Sample rate, Hz.
    borders
        Where chunks meet.
    around
        Frames on either side that count.

    Raises
    ------
    StitchError
        No border lies within the sound, or nothing was wanted there.
    """
    made = stft_magnitudes(np.asarray(audio, np.float32), spectrum.n_fft, spectrum.hop, spectrum.window)
    frames = min(made.shape[1], wanted.shape[1])
    near = np.zeros(frames, bool)
    for border in borders:
        k = int(np.floor(border / spectrum.hop + 0.5))
        near[max(k - around, 0) : max(k + around + 1, 0)] = True
    if not near.any():
        raise StitchError("No border lies within the sound; give borders as sample numbers of it.")
    had, should = np.asarray(made[:, :frames][:, near], float), np.asarray(wanted[:, :frames][:, near], float)
    if spectrum.mel is not None:
        had, should = np.sqrt(bands_of(spectrum, rate) @ had**2), np.sqrt(should)
    level = float(np.linalg.norm(should))
    if level**2 <= SILENT:
        raise StitchError("At its borders the sound was to be silent; take one that isn't.")
    return float(20 * np.log10(max(float(np.linalg.norm(had - should)) / level, 1e-6)))


def jump_db(audio: Audio, borders: Sequence[int], *, reach: int = REACH) -> Told:
    """Give how much sharper a sound bends at borders than elsewhere, dB: 0 is the same, a click is 10 and more.

    The peak of the second difference within `reach` samples of a border, in dB, less the mean of the same over all
    places of the chunks that meet there; the mean over borders.

    Parameters
    ----------
    audio : np.ndarray [shape=(samples,)]
    borders
        Where chunks meet.
    reach
        Samples on either side.

    Raises
    ------
    StitchError
        There are fewer than `LEAST_BORDERS` borders that can be heard.
    """
    peaks = 20 * np.log10(np.maximum(bends(audio, reach), 1e-7))  # [places]
    at, elsewhere = places(audible(audio)[1:-1], borders, reach)
    chunk = int(np.median(np.diff(np.sort(np.asarray(borders))))) if len(borders) > 1 else len(peaks)
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
    return _told(peaks[at][compared] - mean)


def flux_ratio(audio: Audio, source: Audio | None, borders: Sequence[int], rate: int) -> Told:
    """Give how much more a sound changes at borders than elsewhere, beside its source: 1 is as much as that does.

    Change is the mean rise of the log-mel bands from one frame to the next, the larger of the two steps at a place.

    Parameters
    ----------
    audio, source : np.ndarray [shape=(samples,)]
        What was made, and of what, in time with it; None compares with no change from place to place.
    borders
        Where chunks meet.
    rate
        Sample rate, Hz.

    Raises
    ------
    StitchError
        There are fewer than `LEAST_BORDERS` borders that can be heard.
    """
    if source is not None:
        length = min(len(audio), len(source))
        audio, source = audio[:length], source[:length]
    made = _flux_at(audio, borders, rate)
    given = Told(1.0, 0.0, made.borders) if source is None else _flux_at(source, borders, rate)
    ratio = made.value / max(given.value, 1e-9)
    error = ratio * float(np.hypot(made.error / max(made.value, 1e-9), given.error / max(given.value, 1e-9)))
    return Told(ratio, error, min(made.borders, given.borders))


def equivariance_db(delayed: Callable[[int], Audio], shifts: Sequence[int]) -> float:
    """Give by how much a sound that comes later comes out different, dB under the sound; lower is better.

    The spectral convergence of what comes out of the delayed sound, brought back in time, from what comes out else;
    phases don't count. The mean energy over the shifts, over the middle half of the sound.

    Parameters
    ----------
    delayed
        Gives what comes out if what goes in comes so many samples late, from the same moment on.
    shifts
        Samples by which it is delayed.

    Raises
    ------
    StitchError
        What comes out is silent.
    """
    whole = delayed(0)
    middle = slice(len(whole) // 4, len(whole) - len(whole) // 4)
    usual = whole[middle]
    if float(np.square(usual, dtype=np.float64).sum()) <= SILENT:
        raise StitchError("What comes out is silent; take a sound that isn't.")
    errors = [10 ** (spectral_convergence_db(usual, delayed(shift)[shift:][middle]) / 10) for shift in shifts]
    return float(10 * np.log10(np.mean(errors)))


def bends(audio: Audio, reach: int) -> Floats:
    """Give the largest second difference within `reach` samples of each place [shape=(samples - 2,)]."""
    bend = np.abs(np.diff(np.asarray(audio, np.float64), 2))
    return np.asarray(maximum_filter1d(bend, 2 * reach + 1))


def audible(audio: Audio) -> NDArray[np.bool_]:
    """Say of each sample whether it lies within 60 dB of the loudest [shape=(samples,)]."""
    power = uniform_filter1d(np.square(np.asarray(audio, np.float64)), HEARD_SAMPLES, mode="constant")
    peak = float(power.max(initial=0.0))
    return np.asarray(power > max(peak * 10 ** (ACTIVE_DB / 10), SILENT))


def places(heard: NDArray[np.bool_], borders: Sequence[int], reach: int) -> tuple[Places, Places]:
    """Give the places that are borders, and those that are further than twice the reach from any; both can be heard.

    Raises
    ------
    StitchError
        Nothing can be heard, there are fewer than `LEAST_BORDERS` borders, or nothing lies between them.
    """
    if not heard.any():
        raise StitchError("The sound is silent; take one that isn't.")
    count = len(heard)
    inside = np.array([border for border in borders if reach <= border < count - reach], np.int64)
    far = heard.copy()
    far[:reach] = far[max(count - reach, 0) :] = False
    for border in inside:
        far[max(border - 2 * reach, 0) : border + 2 * reach + 1] = False
    inside, elsewhere = inside[heard[inside]], np.flatnonzero(far)
    if len(inside) < LEAST_BORDERS:
        raise StitchError(f"{len(inside)} borders can be heard, and {LEAST_BORDERS} are needed; take more sound.")
    if not len(elsewhere):
        raise StitchError("There is nothing between the borders; take longer chunks.")
    return inside, elsewhere


def log_mel(audio: Audio, rate: int) -> Floats:
    """Give mel bands in dB under the loudest [shape=(bands, frames)]; frame k is centred at sample k * `MEL_HOP`."""
    power = mel_power(np.asarray(audio, np.float32), rate)
    peak = max(float(power.max()), 1e-20)
    return np.maximum(10 * np.log10(np.maximum(power / peak, 1e-20)), FLOOR_DB)


def in_frames(borders: Sequence[int]) -> list[int]:
    """Give the frames of `log_mel` at borders."""
    return [int(np.floor(border / MEL_HOP + 0.5)) for border in borders]


def heard_frames(audio: Audio, frames: int) -> NDArray[np.bool_]:
    """Say of each frame of `log_mel` whether it can be heard."""
    heard = audible(audio)[::MEL_HOP]
    return np.pad(heard, (0, max(frames - len(heard), 0)))[:frames]


def _flux_at(audio: Audio, borders: Sequence[int], rate: int) -> Told:
    """Change at borders over change elsewhere."""
    bands = log_mel(audio, rate)
    change = np.maximum(np.diff(bands, axis=1), 0).mean(axis=0)  # [frames - 1]: k lies between the frames k and k + 1
    steps = sliding_window_view(change, 2).max(axis=1)  # [frames - 2]: k lies around the frame k + 1
    heard = heard_frames(audio, bands.shape[1])[1:-1]
    at, elsewhere = places(heard, [k - 1 for k in in_frames(borders)], AROUND_FRAMES)
    return _told(steps[at] / max(float(steps[elsewhere].mean()), 1e-9))


def _told(values: Floats) -> Told:
    if len(values) < LEAST_BORDERS:
        raise StitchError(f"{len(values)} borders can be compared, and {LEAST_BORDERS} are needed; take more sound.")
    return Told(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))), len(values))
