"""Phases by relaxed averaged alternating reflections, RAAR: out of the dead ends that projections run into.

Griffin and Lim's iteration, the fast one too, soon finds a sound from which every small step is for the worse, and
stays there. Reflecting at the two sets instead of projecting on them, and relaxing towards the wanted magnitudes, goes
past such places [1]_ [2]_. What it comes to is only nearly settled, so some rounds of fast Griffin-Lim come last.

.. [1] D. R. Luke, "Relaxed Averaged Alternating Reflections for Diffraction Imaging", Inverse Problems 21(1), 2005.
.. [2] T. Peer, S. Welker, T. Gerkmann, "Beyond Griffin-Lim: Improved Iterative Phase Retrieval for Speech", IWAENC,
   2022.
"""

from __future__ import annotations

from torch import Tensor

from models.dsp.transforms.griffin_lim import MOMENTUM, griffin_lim, impose
from models.dsp.transforms.transform import Transform

RELAXATION = 0.98
"""Share of the averaged reflections in each step; the rest is the wanted magnitudes'."""
SETTLING = 0.25
"""Share of the rounds that are fast Griffin-Lim's."""


def raar(
    magnitudes: Tensor, transform: Transform, start: Tensor, *, rounds: int = 100, length: int | None = None
) -> Tensor:
    """Find the sound whose coefficients have nearly these magnitudes.

    Parameters
    ----------
    magnitudes : Tensor [shape=(..., bands, frames)]
        Of any transform with complex coefficients.
    transform
        The one they are of.
    start : Tensor [shape=(..., bands, frames)]
        Coefficients whose phases to begin with. From random ones it takes far longer.
    rounds
        How often the transform is taken there and back.
    length
        Samples to give; by default what the frames stand for.

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
