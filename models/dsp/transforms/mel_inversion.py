"""Mel inversion of whole sounds.

Many spectra have the same mel bands, and few of them are spectra of a sound. Solving for one spectrum and then for its
phases therefore ends far from the bands. `mel_to_audio` instead alternates between consistent spectra and spectra with
the wanted bands: each bin of the sound's own spectrum is scaled by the ratio of wanted to present bands, and the
distribution within a band stays that of the sound.

This step, p ← p · Wᵀ(m / Wp) / Wᵀ1, is that of Richardson and Lucy: powers stay positive, and quiet bands count as much
as loud ones [1]_. The least squares of `nnls` use accelerated projected gradients with restarts [2]_.

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
"""Bands this far below the loudest, in power, count as silent."""


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
        0 or more.
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
    """Find the power of each bin that gives these bands, nearest to the start.

    Parameters
    ----------
    bands : Tensor [shape=(..., bands, frames)]
    weights : Tensor [shape=(bands, bins)]
    start : Tensor [shape=(..., bins, frames)]
        Initial power. Default: flat within bands.
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
    """Distribute the power of bands evenly over their bins: [..., bands, frames] → [..., bins, frames]."""
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
    """Find a sound with these mel bands.

    Parameters
    ----------
    bands : Tensor [shape=(..., bands, frames)]
        Power.
    mel
        Their transform.
    length
        Samples to return. Default: from the number of frames.
    rounds, momentum
        As in `models.dsp.transforms.griffin_lim.griffin_lim`.
    seed
        Seed of the random phases.

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
    """Return the factor of each bin's power [..., bins, frames] towards its bands; 0 for bins in no band."""
    return _shared(weights) @ ((bands + floor) / (weights @ power + floor))


def _shared(weights: Tensor) -> Tensor:
    """Return the share of each band in each bin [bins, bands], summing to 1, or 0 for bins in no band."""
    total = weights.sum(dim=0)
    return (weights / torch.where(total > 0, total, math.inf)).T


def _floor(bands: Tensor) -> Tensor:
    """Return the power that counts as silence for each item of a batch [..., 1, 1]."""
    return (AUDIBLE * bands.amax(dim=(-2, -1), keepdim=True)).clamp(min=1e-20)
