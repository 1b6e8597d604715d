"""The Fourier transform of a real signal as two products with small matrices.

onnxruntime's `DFT` of one frame takes as long as a dozen convolutions. If the length has two factors, the samples form
a table: its columns are transformed, multiplied by twiddle factors, and then its rows are transformed. For a real
signal half of the columns' frequencies are sufficient.

References
----------
J. W. Cooley and J. W. Tukey, "An algorithm for the machine calculation of complex Fourier series", Mathematics of
Computation 19, 1965.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

MIN_COLUMNS = 4  # with fewer columns the matrices are as large as that of a direct transform


class RealFourier(nn.Module):
    """The transform: [..., size] → real parts of the bins 0 to `size / 2`, then imaginary parts, [..., size + 2].

    Parameters
    ----------
    size : int
        Length, with a suitable number of columns (see `table_columns`).
    """

    down: Tensor
    turns: Tensor
    along: Tensor
    order: Tensor
    signs: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        wide = table_columns(size)
        if not wide:
            raise ValueError(f"a length of {size} has no suitable factors")
        self.size, self.wide, self.tall = size, wide, size // wide
        half = self.tall // 2 + 1  # frequencies of a column
        place, column = torch.arange(self.tall), torch.arange(wide)
        cosine, sine = _cos_sin(torch.outer(place[:half], place), self.tall)  # [half, tall]
        down = torch.stack([cosine, -sine, -sine, -cosine], dim=1)  # real, imaginary, and both rotated by 90 degrees
        cosine, sine = _cos_sin(torch.outer(place[:half], column), size)  # [half, wide]
        turns = torch.stack([cosine, cosine, sine, sine], dim=1)
        cosine, sine = _cos_sin(torch.outer(column, column), wide)  # [wide, wide]
        along = torch.stack([torch.cat([cosine, -sine], dim=1), torch.cat([sine, cosine], dim=1)] * 2)
        bins = torch.arange(size // 2 + 1)
        first, second = bins % self.tall, bins // self.tall
        upper = first >= half  # mirror images of computed frequencies
        first, second = torch.where(upper, self.tall - first, first), torch.where(upper, wide - 1 - second, second)
        order = first * 2 * wide + second
        ones = torch.ones(len(bins))
        self.register_buffer("down", down.reshape(4 * half, self.tall), persistent=False)
        self.register_buffer("turns", turns.reshape(half, 4 * wide), persistent=False)
        self.register_buffer("along", along.reshape(4 * wide, 2 * wide), persistent=False)
        self.register_buffer("order", torch.cat([order, order + wide]), persistent=False)
        self.register_buffer("signs", torch.cat([ones, torch.where(upper, -ones, ones)]), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform the last axis."""
        before = x.shape[:-1]
        table = x.reshape(*before, self.tall, self.wide)
        turned = (self.down @ table).reshape(*before, -1, 4 * self.wide) * self.turns  # [..., half, 4 * wide]
        return (turned @ self.along).flatten(-2).index_select(-1, self.order) * self.signs


def table_columns(size: int) -> int:
    """Return the columns of the table for `size` samples; 0 if the length has no suitable factors."""
    for wide in range(math.isqrt(size // 2), MIN_COLUMNS - 1, -1):
        if size % (2 * wide) == 0:
            return wide
    return 0


def _cos_sin(parts: Tensor, whole: int) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of `2 * pi * parts / whole`."""
    angles = (parts % whole).double() * (2 * math.pi / whole)
    return torch.cos(angles).float(), torch.sin(angles).float()
