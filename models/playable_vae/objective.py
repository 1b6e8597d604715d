"""The training objective of the playable model: distance between harmonics, noise and stretch of frames."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.dsp.log_magnitude import LN_10_OVER_20
from models.harmonics.harmonic_series import audible, frequencies
from models.playable_vae.frame_store import Frames
from models.playable_vae.network import Drawn

_AUDIBLE_NEPERS = 7.0
"""Harmonics further below the strongest of their frame have a tenth of the weight."""

_AUDIBLE_NOISE = -8.25
"""Noise below this level, −72 dBFS, has a tenth of the weight."""


@dataclass(frozen=True)
class Distance:
    """Parts of the distance between decoded and analysed frames, each a mean over frames.

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
    """Compare a decoder's output with the analysis of the same frames."""
    exists = (audible(frequencies(wanted.pitch, wanted.drawn.stretch), sample_rate) > 0).float()
    level = (wanted.loudness * LN_10_OVER_20)[..., None]
    known, drawn = wanted.drawn.harmonics, made.harmonics
    strongest = known.max(dim=-1, keepdim=True).values
    weight = exists * (0.1 + ((known - strongest + _AUDIBLE_NEPERS) / _AUDIBLE_NEPERS).clamp(0, 1))
    roots = [torch.exp((0.4 * (each + level)).clamp(max=2.0)) for each in (known, drawn)]
    audibility = 0.1 + 0.9 * (wanted.drawn.noise + level > _AUDIBLE_NOISE).float()
    return Distance(
        harmonics=((known - drawn).abs() * weight).sum() / weight.sum(),
        amplitude=((roots[0] - roots[1]).abs() * exists).sum() / exists.sum(),
        noise=((wanted.drawn.noise - made.noise).abs() * audibility).sum() / audibility.sum(),
        stretch=(wanted.drawn.stretch - made.stretch).abs().mean(),
    )
