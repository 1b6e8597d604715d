"""The points of a grid, and the settings of a training at each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import TypeVar

from models.spectral_vae.settings import TrainConfig
from models.training.errors import ConfigError

T = TypeVar("T", int, float)

_ENCODER_SHARE = 0.625
"""Width of the encoder's layers relative to the decoder's, as in the default settings."""


@dataclass(frozen=True)
class Axes:
    """The values of each axis; the grid has all combinations."""

    latent: tuple[int, ...]
    capacity: tuple[int, ...]
    beta: tuple[float, ...]
    learning_rate: tuple[float, ...]


@dataclass(frozen=True)
class Point:
    """One combination: number of latents, width of the layers, weight of the KL divergence, learning rate."""

    latent: int
    capacity: int
    beta: float
    learning_rate: float

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"latent{self.latent}-capacity{self.capacity}-beta{self.beta:g}-rate{self.learning_rate:g}"


AXES = tuple(axis.name for axis in fields(Axes))


def points(axes: Axes) -> tuple[Point, ...]:
    """Give all points of a grid.

    Returns
    -------
    points : tuple of Point
        In the order of the axes; the last one varies fastest.

    Raises
    ------
    ConfigError
        An axis has no value, or the same value twice.
    """
    for name in AXES:
        values = getattr(axes, name)
        if not values or len(set(values)) < len(values):
            raise ConfigError(f"The axis '{name}' needs values, each of them once, not {list(values)}.")
    return tuple(Point(*values) for values in product(*(getattr(axes, name) for name in AXES)))


def settings_at(base: TrainConfig, point: Point) -> TrainConfig:
    """Give the settings of a training at a point: `base` with the values of the point."""
    model = replace(
        base.model,
        latent=point.latent,
        hidden=point.capacity,
        encoder_hidden=max(1, round(_ENCODER_SHARE * point.capacity)),
    )
    return replace(base, model=model, beta=point.beta, learning_rate=point.learning_rate)


def axis(text: str | None, default: T, kind: Callable[[str], T], name: str) -> tuple[T, ...]:
    """Read the values of an axis, separated by commas.

    Returns
    -------
    values : tuple
        Converted by `kind`; `default` alone if `text` is None.

    Raises
    ------
    ConfigError
        A value is not a number.
    """
    if text is None:
        return (default,)
    try:
        return tuple(kind(part.strip()) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"--{name} takes numbers with commas between them, not '{text}'.") from None
