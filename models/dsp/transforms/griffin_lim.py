"""Phases by alternating projections: Griffin and Lim's iteration, and the fast one.

Between the spectra that some sound has and those that have the wanted magnitudes one goes back and forth, and never
comes further apart [1]_. The fast iteration goes on, from each consistent spectrum, in the direction of the last step
[2]_; it may pass through worse and comes out much better.

.. [1] D. W. Griffin, J. S. Lim, "Signal Estimation from Modified Short-Time Fourier Transform", IEEE TASSP 32(2), 1984.
.. [2] N. Perraudin, P. Balazs, P. L. Søndergaard, "A fast Griffin-Lim algorithm", WASPAA 2013.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from models.dsp.transforms.transform import Transform

MOMENTUM = 0.99
"""Of the fast iteration: how far it goes on, in last steps."""


def griffin_lim(
    magnitudes: Tensor,
    transform: Transform,
    *,
    rounds: int = 100,
    momentum: float = 0.0,
    start: Tensor | None = None,
    length: int | None = None,
    seed: int = 0,
) -> Tensor:
    """Find the sound whose coefficients have nearly these magnitudes.

    Parameters
    ----------
    magnitudes : Tensor [shape=(..., bands, frames)]
        Of any transform with complex coefficients.
    transform
        The one they are of.
    rounds
        How often to go back and forth.
    momentum
        0 is Griffin and Lim's, `MOMENTUM` the fast one.
    start : Tensor [shape=(..., bands, frames)]
        Coefficients whose phases to begin with; random ones by default.
    length
        Samples to give; by default what the frames stand for.
    seed
        Of the random phases.

    Returns
    -------
    audio : Tensor [shape=(..., length)]
    """
    if start is None:
        random = torch.Generator().manual_seed(seed)
        angles = 2 * math.pi * torch.rand(magnitudes.shape, generator=random)
        start = torch.polar(torch.ones_like(magnitudes), angles.to(magnitudes))
    return alternate(
        impose(magnitudes, start),
        transform,
        lambda spectrum: impose(magnitudes, spectrum),
        rounds=rounds,
        momentum=momentum,
        length=transform.check_length(magnitudes.shape[-1], length),
    )


def alternate(
    spectrum: Tensor,
    transform: Transform,
    project: Callable[[Tensor], Tensor],
    *,
    rounds: int,
    momentum: float,
    length: int,
) -> Tensor:
    """Go back and forth between spectra of sounds and those that `project` gives; the sound of the last of the latter.

    Parameters
    ----------
    spectrum : Tensor [shape=(..., bands, frames), complex]
        Where to begin.
    transform
        Its transform, of sounds of `length` samples.
    project
        Gives the spectrum nearest to one that has what is wanted.
    rounds, momentum
        As `griffin_lim` takes them.
    length
        Samples.
    """
    before: Tensor | None = None
    for _ in range(rounds):
        consistent: Tensor = transform(transform.inverse(spectrum, length))
        ahead = consistent if before is None or momentum == 0 else torch.lerp(before, consistent, 1 + momentum)
        before = consistent
        spectrum = project(ahead)
    return transform.inverse(spectrum, length)


def impose(magnitudes: Tensor, spectrum: Tensor) -> Tensor:
    """Give a spectrum other magnitudes; what is exactly 0 has no phase, and takes that of a positive number."""
    level = spectrum.abs()
    none = level == 0
    return torch.where(none, magnitudes.to(spectrum.dtype), spectrum * (magnitudes / level.masked_fill(none, 1)))
