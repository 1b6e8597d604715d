"""What is asked of the networks: that made spectra pass for true ones, and that what lay apart still does, alike.

Source: Amodio & Krishnaswamy, "TraVeLGAN: Image-to-Image Translation by Transformation Vector Learning" (2019), 3.1;
for spectra, Pasini, "MelGAN-VC: Voice Conversion and Audio Style Transfer on arbitrarily long samples using
Spectrograms" (2019), 3.2. Where they leave open what a mean is taken over: squared differences of vectors are averaged
over their components and over pairs, cosines over pairs, and the margin is one of squared distances.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Adversarial = Literal["logistic", "hinge"]


def transformation(before: Tensor, after: Tensor) -> Tensor:
    """How differently pairs lie before and after: [batch, size] each → [].

    With d and d' the differences of a pair of vectors before and after: mean (d − d')² − mean cos(d, d').
    """
    first, second = _pairs(before), _pairs(after)
    return F.mse_loss(first, second) - F.cosine_similarity(first, second, dim=1).mean()


def margin(vectors: Tensor, wide: float) -> Tensor:
    """By how much pairs lie nearer than the margin, mean max(0, wide − |d|²): [batch, size] → []."""
    return F.relu(wide - _pairs(vectors).square().sum(dim=1)).mean()


def judging(true: Tensor, made: Tensor, kind: Adversarial) -> Tensor:
    """What a discriminator loses by what it says of true and of made spectra: logits [batch, regions] each → []."""
    if kind == "hinge":
        return F.relu(1 - true).mean() + F.relu(1 + made).mean()
    return F.softplus(-true).mean() + F.softplus(made).mean()


def passing(made: Tensor, kind: Adversarial) -> Tensor:
    """What a generator loses by it: logits [batch, regions] → []."""
    return -made.mean() if kind == "hinge" else F.softplus(-made).mean()


def cuts(frames: int, parts: int, pace: int) -> list[int]:
    """Lengths of as many parts, as even as multiples of the pace can be."""
    ends = [round(k * frames / parts / pace) * pace for k in range(1, parts)]
    return [end - start for start, end in zip([0, *ends], [*ends, frames], strict=True)]


def made_apart(generator: nn.Module, x: Tensor, lengths: Sequence[int]) -> Tensor:
    """Make each part of spectra by itself, as if nothing had been before it, and join them: [batch, bands, frames]."""
    parts = torch.split(x, list(lengths), dim=2)
    if len(set(lengths)) > 1:
        return torch.cat([generator(part) for part in parts], dim=2)
    return torch.cat(generator(torch.cat(parts)).chunk(len(parts)), dim=2)


def masked(x: Tensor, mask: Tensor) -> Tensor:
    """Silence what lies beyond the end of a sound: [batch, bands, frames] and [batch, 1, frames], 0 beyond."""
    return x * mask + mask - 1


def _pairs(vectors: Tensor) -> Tensor:
    """Differences of all pairs of a batch: [batch, size] → [batch (batch - 1) / 2, size]."""
    first, second = torch.triu_indices(len(vectors), len(vectors), 1, device=vectors.device)
    return vectors[first] - vectors[second]
