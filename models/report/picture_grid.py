"""Grids of pictures or spectra, separated by grey lines."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

COLUMNS = 10
_MAGNIFIED = 4


def picture_grid(rows: list[Tensor]) -> Tensor:
    """Combine rows of pictures into one picture, magnified four times.

    Parameters
    ----------
    rows : list of Tensor [shape=(up to COLUMNS, channels, height, width)]
        Values from 0 to 1.

    Returns
    -------
    Tensor [shape=(channels, height, width)]
    """
    lines = []
    for row in rows:
        framed = F.pad(row.cpu(), (0, 1, 0, 1), value=0.5)  # [columns, channels, ...]
        line = torch.cat(list(framed), dim=2)
        missing = (COLUMNS - len(row)) * framed.shape[3]
        lines.append(F.pad(line, (0, missing), value=0.5))
    joined = torch.cat(lines, dim=1)
    return joined.repeat_interleave(_MAGNIFIED, dim=1).repeat_interleave(_MAGNIFIED, dim=2)


def spectrum_grid(spectra: Tensor, columns: int = 4) -> Tensor:
    """Combine spectra into one picture, low bands at the bottom, magnified twice.

    Parameters
    ----------
    spectra : Tensor [shape=(count, bands, frames)]
        Values from 0 to 1.
    columns
        Spectra per row.

    Returns
    -------
    Tensor [shape=(1, height, width)]
    """
    upright = F.pad(spectra.flip(1).cpu(), (0, 2, 0, 2), value=0.5)  # [count, bands + 2, frames + 2]
    missing = -len(upright) % columns
    upright = F.pad(upright, (0, 0, 0, 0, 0, missing), value=0.5)
    rows = [torch.cat(list(row), dim=1) for row in torch.split(upright, columns)]
    return torch.cat(rows)[None].repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
