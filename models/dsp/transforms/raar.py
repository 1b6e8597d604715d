"""Phases by relaxed averaged alternating reflections (RAAR), which escape local optima of projections.

Griffin-Lim, also the fast one, soon reaches a local optimum. Reflecting at the two sets instead of projecting on them,
and relaxing towards the wanted magnitudes, escapes it [1]_ [2]_. The result isn't fully converged, so some rounds of
fast Griffin-Lim follow.

.. [1] D. R. Luke, "Relaxed Averaged Alternating Reflections for Diffraction Imaging", Inverse Problems 21(1), 2005.
.. [2] T. Peer, S. Welker, T. Gerkmann, "Beyond Griffin-Lim: Improved Iterative Phase Retrieval for Speech", IWAENC,
   2022.
"""

from __future__ import annotations

from torch import Tensor

from models.dsp.transforms.griffin_lim import MOMENTUM, griffin_lim, impose
from models.dsp.transforms.transform_base import Transform

RELAXATION = 0.98
"""Weight of the averaged reflections in each step; the rest is that of the wanted magnitudes."""
SETTLING = 0.25
"""Share of the rounds that are fast Griffin-Lim."""


def raar(
    magnitudes: Tensor, transform: Transform, start: Tensor, *, rounds: int = 100, length: int | None = None
) -> Tensor:
    """Find a sound whose coefficients have nearly these magnitudes.

    Parameters
    ----------
    magnitudes : Tensor [shape=(..., bands, frames)]
        Of any transform with complex coefficients.
    transform
        That transform.
    start : Tensor [shape=(..., bands, frames)]
        Coefficients with the initial phases. Random phases take far longer.
    rounds
        Iterations, each of one inverse and one forward transform.
    length
        Samples to return. Default: from the number of frames.

    Returns
    -------
    audio : Tensor [shape=(..., length)]
    """
    length = transform.check_length(magnitudes.shape[-1], length)
    last = round(SETTLING * rounds)
    spectrum = impose(magnitudes, start)
    for _ in range(rounds - last):
        wanted = impose(magnitudes, spectrum)
        reflected = 2 * wanted - spectrum
        again = 2 * transform(transform.inverse(reflected, length)) - reflected
        spectrum = RELAXATION / 2 * (spectrum + again) + (1 - RELAXATION) * wanted
    return griffin_lim(magnitudes, transform, rounds=last, momentum=MOMENTUM, start=spectrum, length=length)
