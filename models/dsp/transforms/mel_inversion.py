"""Mel spectra to audio: first a spectrum that has the bands, then a sound that has them.

Many spectra have the same bands, and few of them are those of a sound. Solving for one, however well, and then looking
for its phases leaves the sound far from it, and so from the bands. `mel_to_audio` goes back and forth between the
spectra that a sound has and those that have the bands: each bin of the sound's own spectrum is scaled by what its bands
lack. What a band holds may lie as the sound has it, and only the bands have to come out right.

The step in which a spectrum is brought to its bands, p ← p · Wᵀ(m / Wp) / Wᵀ1, is that of Richardson and Lucy: it keeps
powers positive, and what is inaudible beside the loudest band counts as much as that [1]_. The least squares of `nnls`
are found by accelerated projected gradients with restarts [2]_.

.. [1] D. D. Lee, H. S. Seung, "Algorithms for Non-negative Matrix Factorization", NIPS 2000.
.. [2] A. Beck, M. Teboulle, "A Fast Iterative Shrinkage-Thresholding Algorithm for Linear Inverse Problems", SIAM J.
   Imaging Sciences 2(1), 2009; B. O'Donoghue, E. Candès, "Adaptive Restart for Accelerated Gradient Schemes",
   Foundations of Computational Mathematics 15, 2015.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor

from export.format.card import Spectrum
from models.dsp.transforms.griffin_lim import alternate
from models.dsp.transforms.pghi import pghi
from models.dsp.transforms.stft import STFT

AUDIBLE = 1e-10
"""Bands this much below the loudest are not told from silence."""


class MelSpectra(Protocol):
    """The mel transform as its inversion uses it; `models.dsp.transforms.mel.Mel` is one."""

    weights: Tensor
    spectrum: Spectrum
    stft: STFT

    def check_length(self, frames: int, length: int | None) -> int:
        """Return the length in samples of a sound of so many frames."""


def nnls(values: Tensor, weights: Tensor, *, rounds: int = 300) -> Tensor:
    """Solve ``min |weights @ x - values|²`` for x ≥ 0, all frames at once.

    Parameters
    ----------
    values : Tensor [shape=(..., bands, frames)]
    weights : Tensor [shape=(bands, bins)]
        Not negative.
    rounds
        Gradient steps.

    Returns
    -------
    Tensor [shape=(..., bins, frames)]
    """
    steepest = torch.linalg.matrix_norm(weights, 2) ** 2
    back, square = weights.T / steepest, weights.T @ weights / steepest
    aim = back @ values  # [..., bins, frames]
    found = aim.clamp(min=0)
    ahead, pace = found, torch.ones_like(values[..., :1, :])  # each frame has a pace of its own
    for _ in range(rounds):
        after = (ahead - square @ ahead + aim).clamp(min=0)
        uphill = ((ahead - after) * (after - found)).sum(dim=-2, keepdim=True) > 0
        pace = pace.masked_fill(uphill, 1.0)
        quicker = 0.5 + torch.sqrt(0.25 + pace**2)
        ahead = after + (pace - 1) / quicker * (after - found)
        found, pace = after, quicker
    return found


def fill(bands: Tensor, weights: Tensor, *, start: Tensor | None = None, rounds: int = 30) -> Tensor:
    """Find the power in each bin that gives these bands, the nearest to where it starts.

    Parameters
    ----------
    bands : Tensor [shape=(..., bands, frames)]
    weights : Tensor [shape=(bands, bins)]
    start : Tensor [shape=(..., bins, frames)]
        By default what is even within bands.
    rounds
        Richardson-Lucy steps.

    Returns
    -------
    Tensor [shape=(..., bins, frames)]
    """
    floor = _floor(bands)
    power = even(bands, weights) if start is None else start
    for _ in range(rounds):
        power = power * _lacking(bands, power, weights, floor)
    return power


def even(bands: Tensor, weights: Tensor) -> Tensor:
    """Draw the power of bands evenly over their bins: [..., bands, frames] → [..., bins, frames]."""
    level = bands / weights.sum(dim=1, keepdim=True).clamp(min=1e-20)
    return _shared(weights) @ level


def mel_to_audio(
    bands: Tensor,
    mel: MelSpectra,
    length: int | None = None,
    *,
    rounds: int = 32,
    momentum: float = 0.9,
    seed: int = 0,
) -> Tensor:
    """Find a sound that has these mel bands.

    Parameters
    ----------
    bands : Tensor [shape=(..., bands, frames)]
        Power.
    mel
        The transform that they are of.
    length
        Samples to give; by default what the frames stand for.
    rounds, momentum
        Of going back and forth, as `models.dsp.transforms.griffin_lim.griffin_lim` takes them.
    seed
        Of random phases.

    Returns
    -------
    audio : Tensor [shape=(..., length)]
    """
    weights, floor = mel.weights.to(bands), _floor(bands)
    start = even(bands, weights)
    drawn = torch.empty_like(start).exponential_(generator=torch.Generator().manual_seed(seed))
    power = fill(bands, weights, start=start * drawn)

    def project(spectrum: Tensor) -> Tensor:
        power = spectrum.real**2 + spectrum.imag**2
        return spectrum * torch.sqrt(_lacking(bands, power, weights, floor))

    return alternate(
        pghi(torch.sqrt(power), mel.spectrum, seed=seed),
        mel.stft,
        project,
        rounds=rounds,
        momentum=momentum,
        length=mel.check_length(bands.shape[-1], length),
    )


def _lacking(bands: Tensor, power: Tensor, weights: Tensor, floor: Tensor) -> Tensor:
    """By how much the power in each bin [..., bins, frames] must grow for its bands; nothing for what no band hears."""
    return _shared(weights) @ ((bands + floor) / (weights @ power + floor))


def _shared(weights: Tensor) -> Tensor:
    """The share that each band has in each bin [bins, bands], 1 in all; 0 where none has."""
    total = weights.sum(dim=0)
    return (weights / torch.where(total > 0, total, math.inf)).T


def _floor(bands: Tensor) -> Tensor:
    """What is too little to count, for each of a batch [..., 1, 1]."""
    return (AUDIBLE * bands.amax(dim=(-2, -1), keepdim=True)).clamp(min=1e-20)
