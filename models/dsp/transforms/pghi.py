"""Phase gradient heap integration: the phases of a whole spectrogram from its magnitudes, without iterating.

Under a Gaussian window the gradient of the phase is a derivative of the logarithm of the magnitude, across the other
axis; the usual windows come close. PGHI integrates it over the spectrogram from the loudest bin outwards, always
continuing from the loudest bin reached [1]_. `realtime.dsp.rtpghi` does the same live, from frame to frame; here a
phase may also come from a later frame.

As on stage, the step to the next bin is bounded by arctangents, so that no delay leaves the window, however steep the
rise.

.. [1] Z. Průša, P. Balazs, P. L. Søndergaard, "A Noniterative Method for Reconstruction of Phase from STFT Magnitude",
   IEEE/ACM TASLP 25(5), 2017.
"""

from __future__ import annotations

import heapq

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from export.format.card import Spectrum
from realtime.dsp.rtpghi import WINDOWS
from realtime.dsp.rtpghi_propagation import SILENCE, TOLERANCE

Array = NDArray[np.float64]


def pghi(magnitudes: Tensor, spectrum: Spectrum, *, seed: int = 0) -> Tensor:
    """Find phases of magnitudes.

    Parameters
    ----------
    magnitudes : Tensor [shape=(..., bins, frames)]
        Of a centred STFT (`models.dsp.transforms.stft.STFT`).
    spectrum
        Its settings.
    seed
        Seed of the random phases of bins 120 dB or more below the loudest.

    Returns
    -------
    Tensor [shape=(..., bins, frames), complex]
        The magnitudes with their phases.
    """
    flat = magnitudes.detach().cpu().double().reshape(-1, *magnitudes.shape[-2:])
    phases = [_phases(one, spectrum, seed) for one in flat.numpy()]
    found = torch.from_numpy(np.stack(phases)) if phases else torch.zeros_like(flat)
    return torch.polar(magnitudes, found.reshape(magnitudes.shape).to(magnitudes))


def phase_gradients(magnitudes: Array, spectrum: Spectrum) -> tuple[Array, Array]:
    """Compute the gradient of the phase from magnitudes.

    Parameters
    ----------
    magnitudes : np.ndarray [shape=(bins, frames)]
        Of a centred STFT.
    spectrum
        Its settings.

    Returns
    -------
    over_time : np.ndarray [shape=(bins, frames)]
        Radians per hop, the bin's own frequency included.
    over_frequency : np.ndarray [shape=(bins, frames)]
        Radians from a bin to the one above, less than π either way of -π, for frames counted from their first sample,
        as the STFT's are. A sound at the centre of a frame has -π, and falls by 2π / n_fft more with every sample
        that it is later.
    """
    gamma = WINDOWS[spectrum.window] * spectrum.n_fft**2
    hop, n_fft = spectrum.hop, spectrum.n_fft
    floor = max(TOLERANCE * float(magnitudes.max(initial=0.0)), SILENCE)
    logs = np.log(np.maximum(magnitudes, floor))
    over_time = np.repeat(2 * np.pi * hop / n_fft * np.arange(len(logs))[:, None], logs.shape[1], axis=1)
    over_time[1:-1] += hop * n_fft / (2 * gamma) * (logs[2:] - logs[:-2])
    around = np.pad(logs, ((0, 0), (1, 1)), mode="edge")  # [bins, frames + 2]
    delays = gamma / (4 * hop * n_fft) * (around[:, 2:] - around[:, :-2])  # tan(π t / n_fft), t samples late
    limit = 1 / np.tan(np.pi * hop / n_fft)
    return over_time, -np.pi - 2 * np.arctan(np.clip(delays, -limit, limit))


def _phases(magnitudes: Array, spectrum: Spectrum, seed: int) -> Array:
    """Return phases [bins, frames] of magnitudes [bins, frames]; non-finite values count as silence."""
    magnitudes = np.where(np.isfinite(magnitudes) & (magnitudes > 0), magnitudes, 0.0)
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, magnitudes.shape)
    quiet = max(TOLERANCE * float(magnitudes.max(initial=0.0)), SILENCE)
    loud = np.flatnonzero(magnitudes > quiet)
    order = loud[np.argsort(-magnitudes.ravel()[loud], kind="stable")]
    over_time, over_frequency = phase_gradients(magnitudes, spectrum)
    integrate(magnitudes, over_time, over_frequency, quiet, order, phases)
    return phases


@njit(nogil=True, cache=True, error_model="numpy")
def integrate(
    magnitudes: Array,
    over_time: Array,
    over_frequency: Array,
    quiet: float,
    order: NDArray[np.int64],
    phases: Array,
) -> None:
    """Integrate a gradient over all bins louder than `quiet`, the loudest first, by trapezoids.

    Parameters
    ----------
    magnitudes, over_time, over_frequency
        As in `phase_gradients`, all [shape=(bins, frames)].
    quiet
        Bins that aren't louder keep their phase.
    order
        Flat indices of the louder bins, loudest first. An isolated region (an onset surrounded by silence) starts at
        its loudest bin, in phase at the centre of its frame.
    phases
        Output [shape=(bins, frames)].
    """
    bins, frames = magnitudes.shape
    reached = np.zeros((bins, frames), np.bool_)
    for first in order:
        m, n = first // frames, first % frames
        if reached[m, n]:
            continue
        reached[m, n] = True
        phases[m, n] = np.pi * (m % 2)
        heap = [(-magnitudes[m, n], first)]
        while len(heap) > 0:
            _, place = heapq.heappop(heap)
            m, n = place // frames, place % frames
            for side in range(4):
                k = m + (side == 0) - (side == 1)
                t = n + (side == 2) - (side == 3)
                if k < 0 or k >= bins or t < 0 or t >= frames or reached[k, t] or not magnitudes[k, t] > quiet:
                    continue
                if t == n:
                    phases[k, t] = phases[m, n] + (k - m) * 0.5 * (over_frequency[m, n] + over_frequency[k, t])
                else:
                    phases[k, t] = phases[m, n] + (t - n) * 0.5 * (over_time[m, n] + over_time[k, t])
                reached[k, t] = True
                heapq.heappush(heap, (-magnitudes[k, t], k * frames + t))
