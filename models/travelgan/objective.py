"""The losses of TraVeLGAN: adversarial, transformation vectors, and margin; and spectrograms generated in parts.

Source: Amodio & Krishnaswamy, "TraVeLGAN: Image-to-Image Translation by Transformation Vector Learning" (2019), 3.1;
for spectra, Pasini, "MelGAN-VC: Voice Conversion and Audio Style Transfer on arbitrarily long samples using
Spectrograms" (2019), 3.2. They leave open which means are taken. Here squared differences of vectors are averaged
over their components and over pairs, cosines over pairs, and the margin applies to squared distances.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Adversarial = Literal["logistic", "hinge"]


def transformation(before: Tensor, after: Tensor) -> Tensor:
    """Loss of the transformation vectors: mean (d − d')² − mean cos(d, d').

    Parameters
    ----------
    before, after : Tensor [shape=(batch, size)]
        Embeddings of the spectra before and after; d and d' are the differences of a pair in each.

    Returns
    -------
    Tensor [shape=()]
    """
    first, second = _pairs(before), _pairs(after)
    return F.mse_loss(first, second) - F.cosine_similarity(first, second, dim=1).mean()


def margin(vectors: Tensor, wide: float) -> Tensor:
    """Margin loss of pairs, mean max(0, wide − |d|²): [batch, size] → []."""
    return F.relu(wide - _pairs(vectors).square().sum(dim=1)).mean()


def discriminator_loss(true: Tensor, made: Tensor, kind: Adversarial) -> Tensor:
    """Loss of a discriminator for its logits [batch, regions] of true and of generated spectra → []."""
    if kind == "hinge":
        return F.relu(1 - true).mean() + F.relu(1 + made).mean()
    return F.softplus(-true).mean() + F.softplus(made).mean()


def generator_loss(made: Tensor, kind: Adversarial) -> Tensor:
    """Loss of a generator for a discriminator's logits [batch, regions] → []."""
    return -made.mean() if kind == "hinge" else F.softplus(-made).mean()


def part_lengths(frames: int, parts: int, pace: int) -> list[int]:
    """Divide frames into parts of nearly equal length, each a multiple of `pace`."""
    ends = [round(k * frames / parts / pace) * pace for k in range(1, parts)]
    return [end - start for start, end in zip([0, *ends], [*ends, frames], strict=True)]


def transform_in_parts(generator: nn.Module, x: Tensor, lengths: Sequence[int]) -> Tensor:
    """Transform parts of spectra [batch, bands, frames], each as if nothing preceded it, and concatenate them."""
    parts = torch.split(x, list(lengths), dim=2)
    if len(set(lengths)) > 1:
        return torch.cat([generator(part) for part in parts], dim=2)
    return torch.cat(generator(torch.cat(parts)).chunk(len(parts)), dim=2)


def masked(x: Tensor, mask: Tensor) -> Tensor:
    """Set spectra [batch, bands, frames] to silence (−1) where the mask [batch, 1, frames] is 0."""
    return x * mask + mask - 1


def _pairs(vectors: Tensor) -> Tensor:
    """Differences of all pairs of a batch: [batch, size] → [batch (batch - 1) / 2, size]."""
    first, second = torch.triu_indices(len(vectors), len(vectors), 1, device=vectors.device)
    return vectors[first] - vectors[second]
