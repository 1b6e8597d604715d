"""What the training of the playable model makes small."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.playable.frames import Frames
from models.playable.network import Drawn, audible, frequencies
from models.spectral.network import LN_10_OVER_20

_HEARD_NEPERS = 7.0
"""Harmonics that lie further under the strongest of their frame count a tenth."""

_NOISE_HEARD = -8.25
"""So does noise below this level, −72 dBFS."""


@dataclass(frozen=True)
class Distance:
    """Parts of the distance between what sounds and what should, each a mean over frames.

    Attributes
    ----------
    harmonics : Tensor [shape=()]
        Mean |Δ log-amplitude|, nepers; the strong ones count most.
    amplitude : Tensor [shape=()]
        Mean |Δ amplitude^.4|, at the level at which they sound.
    noise : Tensor [shape=()]
        Mean |Δ level| of the bands, nepers.
    stretch : Tensor [shape=()]
        Mean |Δ log-stretch|.
    """

    harmonics: Tensor
    amplitude: Tensor
    noise: Tensor
    stretch: Tensor

    @property
    def total(self) -> Tensor:
        """The weighted sum that is minimised."""
        return self.harmonics + 8 * self.amplitude + 0.5 * self.noise + 0.05 * self.stretch


def distance(wanted: Frames, made: Drawn, sample_rate: int) -> Distance:
    """Compare what a decoder made with what was found in the same frames."""
    exists = (audible(frequencies(wanted.pitch, wanted.drawn.stretch), sample_rate) > 0).float()
    level = (wanted.loudness * LN_10_OVER_20)[..., None]
    known, drawn = wanted.drawn.harmonics, made.harmonics
    strongest = known.max(dim=-1, keepdim=True).values
    weight = exists * (0.1 + ((known - strongest + _HEARD_NEPERS) / _HEARD_NEPERS).clamp(0, 1))
    roots = [torch.exp((0.4 * (each + level)).clamp(max=2.0)) for each in (known, drawn)]
    heard = 0.1 + 0.9 * (wanted.drawn.noise + level > _NOISE_HEARD).float()
    return Distance(
        harmonics=((known - drawn).abs() * weight).sum() / weight.sum(),
        amplitude=((roots[0] - roots[1]).abs() * exists).sum() / exists.sum(),
        noise=((wanted.drawn.noise - made.noise).abs() * heard).sum() / heard.sum(),
        stretch=(wanted.drawn.stretch - made.stretch).abs().mean(),
    )
