"""Scalings of magnitudes for networks, and their inverses; separate steps after any transform."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from models.dsp.transforms.transform_base import TransformError


class Scaling(Protocol):
    """An invertible, differentiable, elementwise scaling."""

    def forward(self, values: Tensor) -> Tensor:
        """Scale."""

    def inverse(self, scaled: Tensor) -> Tensor:
        """Invert the scaling; values below the floor return as the floor."""


@dataclass(frozen=True)
class Log:
    """Natural logarithm, clipped at a floor."""

    floor: float = 1e-4

    def __post_init__(self) -> None:
        _above_zero("floor", self.floor)

    def forward(self, values: Tensor) -> Tensor:
        """[...] → [...], from log(floor) on."""
        return torch.log(values.clamp(min=self.floor))

    def inverse(self, scaled: Tensor) -> Tensor:
        """[...] → [...], not below the floor."""
        return torch.exp(scaled).clamp(min=self.floor)


@dataclass(frozen=True)
class Decibel:
    """Decibels relative to a reference, clipped at a floor.

    Attributes
    ----------
    floor_db
        Smallest value, dB.
    reference
        Value of 0 dB.
    power
        Whether values are powers, as in a mel spectrum, rather than magnitudes.
    """

    floor_db: float = -100.0
    reference: float = 1.0
    power: bool = False

    def __post_init__(self) -> None:
        _above_zero("reference", self.reference)

    @property
    def _per_decade(self) -> float:
        return 10.0 if self.power else 20.0

    def forward(self, values: Tensor) -> Tensor:
        """[...] → [...], from `floor_db` on."""
        least = self.reference * 10 ** (self.floor_db / self._per_decade)
        return self._per_decade * torch.log10(values.clamp(min=least) / self.reference)

    def inverse(self, scaled: Tensor) -> Tensor:
        """[...] → [...]; values below the floor are clipped."""
        return self.reference * 10 ** (scaled.clamp(min=self.floor_db) / self._per_decade)


@dataclass(frozen=True)
class Mu:
    """µ-law companding of values up to a peak to -1 … 1: logarithmic, linear near 0, sign kept (ITU-T G.711)."""

    mu: float = 255.0
    peak: float = 1.0

    def __post_init__(self) -> None:
        _above_zero("mu", self.mu)
        _above_zero("peak", self.peak)

    def forward(self, values: Tensor) -> Tensor:
        """[...] → [...]; there is no floor, 0 is 0."""
        return torch.sign(values) * torch.log1p(values.abs() * (self.mu / self.peak)) / math.log1p(self.mu)

    def inverse(self, scaled: Tensor) -> Tensor:
        """[...] → [...]."""
        return torch.sign(scaled) * torch.expm1(scaled.abs() * math.log1p(self.mu)) * (self.peak / self.mu)


def _above_zero(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise TransformError(f"The {name} of a scale is {value}; it must be a number above 0.")
