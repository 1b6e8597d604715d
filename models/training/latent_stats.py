"""Latent statistics as a checkpoint stores them: means, deviations, order of importance and the latent map."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from export.format.card import Latent, MapPoint
from models.data.manifest import Sound

MAP_POINTS = 400
_NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


@dataclass(frozen=True)
class LatentStatistics:
    """Statistics of the encoder's means over the training set.

    Attributes
    ----------
    mean, std
        Of each dimension, in the model's own order.
    effect_db
        Mean |Δ log-mel| of the decoded sound when a dimension is moved by one standard deviation, dB.
    order
        Dimensions by effect, the strongest first.
    points
        The latent map: sounds of the training set on the two principal components, within −1 to 1.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    effect_db: tuple[float, ...]
    order: tuple[int, ...]
    points: tuple[MapPoint, ...]

    def to_card(self) -> Latent:
        """Convert to the latent section of a model's card."""
        names = [""] * len(self.mean)
        for rank, dimension in enumerate(self.order):
            names[dimension] = f"timbre {rank + 1}"
        return Latent(tuple(names), self.mean, self.std, self.order, self.points)

    def to_plain(self) -> dict[str, Any]:
        """Convert to plain values for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_plain(cls, data: dict[str, Any]) -> LatentStatistics:
        """Read what `to_plain` gives."""
        points = [MapPoint(p["x"], p["y"], p["label"], tuple(p["latent"])) for p in data["points"]]
        numbers = {key: tuple(data[key]) for key in ("mean", "std", "effect_db", "order")}
        return cls(points=tuple(points), **numbers)


def map_points(
    sounds: tuple[Sound, ...],
    number: NDArray[np.int64],
    latents: NDArray[np.float32],
    mean: NDArray[np.float32],
    std: NDArray[np.float32],
) -> tuple[MapPoint, ...]:
    """Place sounds on the two principal directions of the training set, one point for each label and pitch.

    Sounds of unknown pitch get a point each.

    Parameters
    ----------
    sounds
        The training sounds.
    number : np.ndarray [shape=(frames,)]
        The sound that each frame belongs to.
    latents : np.ndarray [shape=(frames, latent)]
    mean, std : np.ndarray [shape=(latent,)]
        Of the latents.

    Returns
    -------
    points : tuple of MapPoint
        At most `MAP_POINTS`, each with the mean latent of its sounds; x and y are from −1 to 1.
    """
    groups: dict[tuple[str, int], list[NDArray[np.float32]]] = defaultdict(list)
    for k, sound in enumerate(sounds):
        mine = latents[number == k]
        if len(mine):
            key = (sound.label, k) if sound.pitch is None else (f"{sound.label} {note_name(sound.pitch)}", -1)
            groups[key].append(mine.mean(axis=0))
    keys = list(groups)
    if len(keys) > MAP_POINTS:
        keys = [keys[int(k)] for k in np.linspace(0, len(keys) - 1, MAP_POINTS)]
    centres = np.stack([np.mean(groups[key], axis=0) for key in keys])  # [points, latent]
    scores = (centres - mean) / std
    _, _, directions = np.linalg.svd(scores - scores.mean(axis=0), full_matrices=False)
    directions *= np.sign(directions.sum(axis=1, keepdims=True) + 1e-12)  # the same way round every time
    plane = (scores @ directions[:2].T).astype(np.float64)  # [points, up to 2]
    plane = np.pad(plane, ((0, 0), (0, 2 - plane.shape[1])))
    plane /= max(float(np.abs(plane).max()), 1e-9)
    return tuple(
        MapPoint(round(float(x), 4), round(float(y), 4), label, tuple(round(float(v), 4) for v in centre))
        for (x, y), (label, _), centre in zip(plane, keys, centres, strict=True)
    )


def note_name(pitch: float) -> str:
    """Name a MIDI note number: 69 is A4."""
    number = round(pitch)
    return f"{_NOTES[number % 12]}{number // 12 - 1}"


def rounded(values: Tensor) -> tuple[float, ...]:
    """Round to five decimals, as checkpoints store statistics."""
    return tuple(round(float(value), 5) for value in values)
