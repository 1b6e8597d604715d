"""Phases by alternating projections: the Griffin-Lim iteration and fast Griffin-Lim.

The iteration projects alternately on consistent spectra (those of some sound) and on spectra with the wanted
magnitudes; their distance never grows [1]_. The fast iteration extrapolates each consistent spectrum in the direction
of the last step [2]_; the distance may grow for a while but ends much smaller.

.. [1] D. W. Griffin, J. S. Lim, "Signal Estimation from Modified Short-Time Fourier Transform", IEEE TASSP 32(2), 1984.
.. [2] N. Perraudin, P. Balazs, P. L. Søndergaard, "A fast Griffin-Lim algorithm", WASPAA 2013.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from models.dsp.transforms.transform_base import Transform

MOMENTUM = 0.99
"""Extrapolation of fast Griffin-Lim, in last steps."""


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
    """Find a sound whose coefficients have nearly these magnitudes.

    Parameters
    ----------
    magnitudes : Tensor [shape=(..., bands, frames)]
        Of any transform with complex coefficients.
    transform
        That transform.
    rounds
        Iterations.
    momentum
        0 is Griffin-Lim, `MOMENTUM` fast Griffin-Lim.
    start : Tensor [shape=(..., bands, frames)]
        Coefficients with the initial phases. Default: random phases.
    length
        Samples to return. Default: from the number of frames.
    seed
        Seed of the random phases.

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
    """Alternate between consistent spectra and those of `project`, and return the sound of the last.

    Parameters
    ----------
    spectrum : Tensor [shape=(..., bands, frames), complex]
        Initial spectrum.
    transform
        Its transform.
    project
        Projects a spectrum on those with the wanted property.
    rounds, momentum
        As in `griffin_lim`.
    length
        Samples to return.

    Returns
    -------
    audio : Tensor [shape=(..., length)]
    """
    before: Tensor | None = None
    for _ in range(rounds):
        consistent: Tensor = transform(transform.inverse(spectrum, length))
        ahead = consistent if before is None or momentum == 0 else torch.lerp(before, consistent, 1 + momentum)
        before = consistent
        spectrum = project(ahead)
    return transform.inverse(spectrum, length)


def impose(magnitudes: Tensor, spectrum: Tensor) -> Tensor:
    """Replace the magnitudes of a spectrum; where it is 0, the phase is 0."""
    level = spectrum.abs()
    none = level == 0
    return torch.where(none, magnitudes.to(spectrum.dtype), spectrum * (magnitudes / level.masked_fill(none, 1)))
