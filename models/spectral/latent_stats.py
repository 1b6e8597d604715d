"""What the latent space of a trained model is like: where sounds lie in it, and which directions matter."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.format.card import Latent, MapPoint
from models.data.manifest import Sound
from models.spectral.frames import FrameStore
from models.spectral.network import SpectralVae
from models.spectral.objective import DB_PER_NEPER, SpectralDistance

MAP_POINTS = 400
_PROBES = 1000
_CHUNK = 4096
_NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


@dataclass(frozen=True)
class LatentStatistics:
    """Statistics of the encoder's means over the training set.

    Attributes
    ----------
    mean, std
        Of each dimension, in the model's own order.
    effect_db
        Mean |Δ log-mel| of the decoded sound when a dimension is moved by one standard deviation.
    order
        Dimensions by effect, the strongest first.
    points
        The map: sounds of the training set on the two principal components, within −1 to 1.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    effect_db: tuple[float, ...]
    order: tuple[int, ...]
    points: tuple[MapPoint, ...]

    def to_contract(self) -> Latent:
        """Say it in the words of the model file."""
        names = [""] * len(self.mean)
        for rank, dimension in enumerate(self.order):
            names[dimension] = f"timbre {rank + 1}"
        return Latent(tuple(names), self.mean, self.std, self.order, self.points)

    def to_plain(self) -> dict[str, Any]:
        """Turn it into values that a checkpoint may hold."""
        return asdict(self)

    @classmethod
    def from_plain(cls, data: dict[str, Any]) -> LatentStatistics:
        """Undo `to_plain`."""
        points = [MapPoint(p["x"], p["y"], p["label"], tuple(p["latent"])) for p in data["points"]]
        numbers = {key: tuple(data[key]) for key in ("mean", "std", "effect_db", "order")}
        return cls(points=tuple(points), **numbers)


@torch.no_grad()
def measure(model: SpectralVae, store: FrameStore, seed: int = 0) -> LatentStatistics:
    """Encode every active frame of a training set and see how the latents lie.

    Parameters
    ----------
    model
        The trained model.
    store
        Its training set.
    seed
        Which frames are probed for the effect of each dimension.
    """
    model = model.eval()
    active = torch.from_numpy(np.flatnonzero(store.active.numpy()))
    latents = torch.cat(
        [model.encoder(store.take(part).shape)[0] for part in torch.split(active, _CHUNK)]
    )  # [active, latent]
    mean, std = latents.mean(dim=0), latents.std(dim=0).clamp(min=1e-4)
    effect = _effect_db(model, store, active, latents, std, seed)
    order = torch.argsort(effect, descending=True, stable=True)
    return LatentStatistics(
        mean=_rounded(mean),
        std=_rounded(std),
        effect_db=_rounded(effect),
        order=tuple(int(k) for k in order),
        points=laid_on_map(store.sounds, store.sound[active].numpy(), latents.numpy(), mean.numpy(), std.numpy()),
    )


def note_name(pitch: float) -> str:
    """Name a MIDI note number: 69 is A4."""
    number = round(pitch)
    return f"{_NOTES[number % 12]}{number // 12 - 1}"


def _effect_db(
    model: SpectralVae, store: FrameStore, active: Tensor, latents: Tensor, std: Tensor, seed: int
) -> Tensor:
    """Mean |Δ log-mel| of moving each dimension up and down by one standard deviation, [latent]."""
    config = model.config
    distance = SpectralDistance(config.sample_rate, config.n_fft)
    random = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(active), generator=random)[:_PROBES]
    batch, centre = store.take(active[chosen]), latents[chosen]
    plain = distance.log_mel(model.decoder(centre, batch.pitch, batch.loudness), batch.floor)
    effects = []
    for k in range(config.latent):
        step = torch.zeros(config.latent)
        step[k] = std[k]
        moved = [model.decoder(centre + sign * step, batch.pitch, batch.loudness) for sign in (1, -1)]
        effects.append(torch.stack([(distance.log_mel(m, batch.floor) - plain).abs().mean() for m in moved]).mean())
    return torch.stack(effects) * DB_PER_NEPER


def laid_on_map(
    sounds: tuple[Sound, ...],
    number: NDArray[np.int64],
    latents: NDArray[np.float32],
    mean: NDArray[np.float32],
    std: NDArray[np.float32],
) -> tuple[MapPoint, ...]:
    """Lay one point a label and pitch on the two directions in which the training set is widest.

    Sounds whose pitch is unknown are points of their own.
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


def _rounded(values: Tensor) -> tuple[float, ...]:
    return tuple(round(float(value), 5) for value in values)
