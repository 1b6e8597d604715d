"""Latent statistics of a trained spectral VAE."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.dsp.log_magnitude import DB_PER_NEPER
from models.spectral_vae.frame_store import FrameStore
from models.spectral_vae.network import SpectralVae
from models.spectral_vae.objective import SpectralDistance
from models.training.latent_stats import LatentStatistics, map_points, rounded

_PROBES = 1000
_CHUNK = 4096


@torch.no_grad()
def measure(model: SpectralVae, store: FrameStore, seed: int = 0) -> LatentStatistics:
    """Encode every active frame of a training set, and measure the latents.

    Parameters
    ----------
    model
        The trained model.
    store
        Its training set.
    seed
        Chooses the frames on which the effect of each dimension is measured.

    Returns
    -------
    statistics : LatentStatistics
    """
    model = model.eval()
    active = torch.from_numpy(np.flatnonzero(store.active.numpy()))
    latents = torch.cat(
        [model.encoder(store.take(part).shape)[0] for part in torch.split(active, _CHUNK)]
    )  # [active, latent]
    mean, std = latents.mean(dim=0), latents.std(dim=0).clamp(min=1e-4)  # [latent]
    effect = _effect_db(model, store, active, latents, std, seed)
    order = torch.argsort(effect, descending=True, stable=True)
    return LatentStatistics(
        mean=rounded(mean),
        std=rounded(std),
        effect_db=rounded(effect),
        order=tuple(int(k) for k in order),
        points=map_points(store.sounds, store.sound[active].numpy(), latents.numpy(), mean.numpy(), std.numpy()),
    )


def _effect_db(
    model: SpectralVae, store: FrameStore, active: Tensor, latents: Tensor, std: Tensor, seed: int
) -> Tensor:
    """Mean |Δ log-mel| of moving each dimension up and down by one standard deviation, dB, [latent]."""
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
