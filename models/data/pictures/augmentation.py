"""Augmentation of pictures by random rotation, shear, scaling and translation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Augmentation:
    """Largest amount of each random change.

    Attributes
    ----------
    degrees
        Rotation in either direction, degrees.
    slant
        Shear: horizontal shift per vertical pixel.
    resize
        Scaling in each direction, as a share.
    pixels
        Translation in each direction, pixels.
    """

    degrees: float = 0.0
    slant: float = 0.0
    resize: float = 0.0
    pixels: float = 0.0

    def times(self, amount: float) -> Augmentation:
        """Scale all amounts."""
        return Augmentation(*(amount * most for most in (self.degrees, self.slant, self.resize, self.pixels)))


def augment(pictures: Tensor, most: Augmentation, random: torch.Generator) -> Tensor:
    """Apply random changes to pictures.

    Pixels from beyond the edge are 0. Interpolation is bicubic, which blurs less than bilinear; the result is clipped
    to 0 to 1.

    Parameters
    ----------
    pictures : Tensor [shape=(batch, channels, height, width)]
        Grey, 0 to 1.
    most
        Largest amount of each change.
    random
        Source of randomness.

    Returns
    -------
    changed : Tensor [shape=(batch, channels, height, width)]
    """
    count, _, height, width = pictures.shape

    def draw(limit: float) -> Tensor:
        return limit * (2 * torch.rand(count, generator=random) - 1)  # [batch]

    angle, slant = draw(math.radians(most.degrees)), draw(most.slant)
    wide, high = torch.exp(draw(most.resize)), torch.exp(draw(most.resize))
    right, down = draw(2 * most.pixels / width), draw(2 * most.pixels / height)  # a picture reaches from -1 to 1
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [
        torch.stack([wide * cos, wide * (slant * cos - sin), right], dim=1),
        torch.stack([high * sin, high * (slant * sin + cos), down], dim=1),
    ]
    grid = F.affine_grid(torch.stack(rows, dim=1), list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, mode="bicubic", padding_mode="zeros", align_corners=False).clamp(0, 1)
