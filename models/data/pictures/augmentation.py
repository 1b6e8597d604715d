"""Pictures that are drawn a little differently each time: turned, slanted, resized and moved by parts of a pixel."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Jiggle:
    """How far pictures are moved at most; how far each is, is drawn.

    Attributes
    ----------
    degrees
        Turned, either way.
    slant
        Leaned over: pixels to the side for each upwards.
    resize
        Made larger or smaller, in each direction, as a share.
    pixels
        Moved, in each direction.
    """

    degrees: float = 0.0
    slant: float = 0.0
    resize: float = 0.0
    pixels: float = 0.0

    def times(self, amount: float) -> Jiggle:
        """Make all of it stronger or weaker."""
        return Jiggle(*(amount * most for most in (self.degrees, self.slant, self.resize, self.pixels)))


def jiggle(pictures: Tensor, most: Jiggle, random: torch.Generator) -> Tensor:
    """Draw pictures a little differently.

    What comes from beyond the edge is 0. Between pixels it is interpolated by cubics, which blur less than lines; what
    they give beyond 0 to 1 is cut off.

    Parameters
    ----------
    pictures : Tensor [shape=(batch, channels, height, width)]
        Grey, 0 to 1.
    most
        How differently.
    random
        Where each picture's changes are drawn from.
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
