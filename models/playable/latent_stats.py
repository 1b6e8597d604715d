"""What the latent space of a playable model is like: where notes lie in it, and which directions matter."""

from __future__ import annotations

import torch
from torch import Tensor

from models.playable.frames import Frames, PartialStore
from models.playable.module import evenly
from models.playable.network import PlayableVae
from models.playable.objective import distance
from models.spectral.latent_stats import LatentStatistics, laid_on_map

_DB_PER_NEPER = 8.685889638065035
_PROBES = 1_000
_CHUNK = 8_192


@torch.no_grad()
def measure(vae: PlayableVae, store: PartialStore) -> LatentStatistics:
    """Encode every active frame of a training set and see how the latents lie.

    The effect of a dimension is what a step of one standard deviation does to the harmonics that are heard, dB.
    """
    active = torch.nonzero(store.active)[:, 0]
    latents = torch.cat([_means(vae, store.take(part)) for part in torch.split(active, _CHUNK)])  # [active, latent]
    mean, std = latents.mean(dim=0), latents.std(dim=0).clamp(min=1e-4)
    effect = _effect_db(vae, store, std)
    order = torch.argsort(effect, descending=True, stable=True)
    return LatentStatistics(
        mean=_rounded(mean),
        std=_rounded(std),
        effect_db=_rounded(effect),
        order=tuple(int(k) for k in order),
        points=laid_on_map(store.sounds, store.sound[active].numpy(), latents.numpy(), mean.numpy(), std.numpy()),
    )


def _means(vae: PlayableVae, frames: Frames) -> Tensor:
    return vae.encode(frames.drawn, frames.pitch, frames.loudness)[0]


def _effect_db(vae: PlayableVae, store: PartialStore, std: Tensor) -> Tensor:
    """Mean |Δ| of the heard harmonics when each dimension is moved up and down, dB, [latent]."""
    frames = store.take(evenly(store, _PROBES))
    centre = _means(vae, frames)
    plain = Frames(vae.decode(centre, frames.pitch, frames.loudness), frames.pitch, frames.loudness)
    effects = []
    for k in range(len(std)):
        step = torch.zeros(len(std))
        step[k] = std[k]
        ways = [vae.decode(centre + sign * step, frames.pitch, frames.loudness) for sign in (1, -1)]
        apart = [distance(plain, way, vae.config.sample_rate).harmonics for way in ways]
        effects.append(torch.stack(apart).mean())
    return torch.stack(effects) * _DB_PER_NEPER


def _rounded(values: Tensor) -> tuple[float, ...]:
    return tuple(round(float(value), 5) for value in values)
