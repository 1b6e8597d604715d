"""Log-magnitude spectra: decibels and nepers, energy, and shifts along frequency.

Shapes: `...` is any number of leading axes (batch, frames), `bins` is n_fft / 2 + 1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LN_10_OVER_20 = math.log(10) / 20
"""Nepers in a decibel."""

DB_PER_NEPER = 8.685889638065035

HANN_POWER = 0.375
"""Mean square of a periodic Hann window."""


def half_energy(log_magnitude: Tensor) -> Tensor:
    """Half the energy of the two-sided spectrum, [..., bins] → [..., 1]."""
    power = torch.exp(2 * log_magnitude)  # [..., bins]
    edges = 0.5 * (power[..., :1] + power[..., -1:])
    return power.sum(dim=-1, keepdim=True) - edges + 1e-20


def unit_energy(log_magnitude: Tensor) -> Tensor:
    """Scale log-magnitudes [..., bins] so that half the energy of the two-sided spectrum is 1."""
    return log_magnitude - 0.5 * torch.log(half_energy(log_magnitude))


def unit_energy_above(log_magnitude: Tensor, n_fft: int, quietest_db: float, floor: float) -> Tensor:
    """Scale log-magnitudes to unit energy, but amplify silence no further than a sound of `quietest_db`.

    Parameters
    ----------
    log_magnitude : Tensor [shape=(..., bins)]
        Of an unnormalised STFT with a periodic Hann window.
    n_fft
        Length of the window, samples.
    quietest_db
        RMS, dBFS, below which a frame counts as silence.
    floor
        Log-magnitude below which the scaled spectrum is cut off.

    Returns
    -------
    Tensor [shape=(..., bins)]
    """
    quietest = 2 * (math.log(unit_gain(n_fft)) + quietest_db * LN_10_OVER_20)
    energy = torch.log(half_energy(log_magnitude)).clamp(min=quietest)  # [..., 1]
    raised = (log_magnitude - 0.5 * energy).clamp(min=floor)
    return raised - 0.5 * torch.log(half_energy(raised))


def unit_gain(n_fft: int) -> float:
    """Magnitudes of a sound with an RMS of 1, divided by those of unit energy (Parseval, periodic Hann window)."""
    return math.sqrt(n_fft * n_fft * HANN_POWER / 2)


def warp(log_magnitude: Tensor, semitones: Tensor) -> Tensor:
    """Shift log-magnitudes along frequency, as if the sound were played faster or slower.

    Interpolates cubically (Catmull-Rom) between fourth roots of the magnitudes: there the window's main lobe is nearly
    a parabola, and the nulls beside it are not as deep as in logarithms.

    Parameters
    ----------
    log_magnitude : Tensor [shape=(..., bins)]
    semitones : Tensor [shape=(...,)]
        Upwards if positive. Bins from above the last one repeat it.

    Returns
    -------
    Tensor [shape=(..., bins)]
    """
    bins = log_magnitude.shape[-1]
    bin_numbers = torch.arange(bins, device=log_magnitude.device, dtype=torch.float32)
    source = bin_numbers * torch.exp(-semitones[..., None] * (math.log(2) / 12))  # [..., bins]
    first = torch.floor(source)
    t = (source - first).clamp(0, 1)
    index = first.long()
    root = torch.exp(0.25 * log_magnitude)
    a, b, c, d = (torch.gather(root, -1, (index + k).clamp(0, bins - 1)) for k in (-1, 0, 1, 2))
    between = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return 4 * torch.log(between.clamp(min=1e-3))
