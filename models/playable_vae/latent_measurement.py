"""Latent statistics of a trained playable model."""

from __future__ import annotations

import torch
from torch import Tensor

from models.dsp.log_magnitude import DB_PER_NEPER
from models.playable_vae.frame_store import Frames, PartialStore
from models.playable_vae.network import PlayableVae
from models.playable_vae.objective import distance
from models.training.frame_vae.sound_segments import evenly_spaced
from models.training.latent_stats import LatentStatistics, map_points, rounded

_PROBES = 1_000
_CHUNK = 8_192


@torch.no_grad()
def measure(vae: PlayableVae, store: PartialStore) -> LatentStatistics:
    """Encode every active frame of a training set, and measure the latents.

    Parameters
    ----------
    vae
        The trained model.
    store
        Its training set.

    Returns
    -------
    statistics : LatentStatistics
        The effect of a dimension is the mean change of the audible harmonics, dB, by a step of one standard deviation.
    """
    active = torch.nonzero(store.active)[:, 0]
    latents = torch.cat([_means(vae, store.take(part)) for part in torch.split(active, _CHUNK)])  # [active, latent]
    mean, std = latents.mean(dim=0), latents.std(dim=0).clamp(min=1e-4)
    effect = _effect_db(vae, store, std)
    order = torch.argsort(effect, descending=True, stable=True)
    return LatentStatistics(
        mean=rounded(mean),
        std=rounded(std),
        effect_db=rounded(effect),
        order=tuple(int(k) for k in order),
        points=map_points(store.sounds, store.sound[active].numpy(), latents.numpy(), mean.numpy(), std.numpy()),
    )


def _means(vae: PlayableVae, frames: Frames) -> Tensor:
    return vae.encode(frames.drawn, frames.pitch, frames.loudness)[0]


def _effect_db(vae: PlayableVae, store: PartialStore, std: Tensor) -> Tensor:
    """Mean |Δ| of the audible harmonics when each dimension is moved up and down, dB, [latent]."""
    frames = store.take(evenly_spaced(store, _PROBES))
    centre = _means(vae, frames)
    plain = Frames(vae.decode(centre, frames.pitch, frames.loudness), frames.pitch, frames.loudness)
    effects = []
    for k in range(len(std)):
        step = torch.zeros(len(std))
        step[k] = std[k]
        ways = [vae.decode(centre + sign * step, frames.pitch, frames.loudness) for sign in (1, -1)]
        apart = [distance(plain, way, vae.config.sample_rate).harmonics for way in ways]
        effects.append(torch.stack(apart).mean())
    return torch.stack(effects) * DB_PER_NEPER
