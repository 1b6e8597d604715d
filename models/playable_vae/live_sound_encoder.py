"""The encoder for live sound: maps a spectrum to the latent that the model's own encoder gives for the same frame.

The model's encoder needs the analysis of a whole note with known pitch, which a live input doesn't have. So a network
learns to predict its latents from spectra of the same frames, and to minimise the distance after decoding.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.dsp.log_magnitude import unit_energy_above, warp
from models.harmonics.analysis import SPECTRUM_FFT
from models.playable_vae.frame_store import PartialStore
from models.playable_vae.network import PlayableConfig, PlayableVae
from models.playable_vae.objective import distance
from models.vae.networks.mlp import mlp

BINS = SPECTRUM_FFT // 2 + 1
MIN_SHAPE = -11.5
"""Floor of log-magnitudes of unit energy: −100 dB."""

_BATCH = 256
_RATE = 1e-3
_SHIFT_SEMITONES = 1.2


class SpectralEncoder(nn.Module):
    """Log-magnitudes → latent."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: PlayableConfig) -> None:
        super().__init__()
        self.quietest_db = config.quietest_db
        self.net = mlp(BINS, config.hearing, config.latent, config.layers)
        self.register_buffer("mean", torch.zeros(BINS))
        self.register_buffer("deviation", torch.ones(()))

    def forward(self, log_magnitude: Tensor) -> Tensor:
        """[..., BINS] → [..., latent]."""
        latent: Tensor = self.net((self.shape(log_magnitude) - self.mean) / self.deviation)
        return latent

    def shape(self, log_magnitude: Tensor) -> Tensor:
        """Scale log-magnitudes [..., BINS] to unit energy, without amplifying silence."""
        return unit_energy_above(log_magnitude, SPECTRUM_FFT, self.quietest_db, MIN_SHAPE)


def fit(
    vae: PlayableVae,
    store: PartialStore,
    *,
    steps: int,
    seed: int,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> SpectralEncoder:
    """Fit an encoder of spectra to the latents of the model's own encoder.

    Every spectrum is shifted by up to 1.2 semitones, so that pitches between those of the training set are encoded too.

    Parameters
    ----------
    vae
        The trained model; it is not changed.
    store
        Its training set.
    steps
        Optimizer steps.
    seed
        Seed of the weights and of the draws.
    on_step
        Called after each step with how many are done and how many there are.

    Returns
    -------
    encoder : SpectralEncoder
        In `eval()`.
    """
    random = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    encoder = SpectralEncoder(vae.config)
    chosen = torch.nonzero(store.active[store.spectrum_frame])[:, 0]
    sample = encoder.shape(store.spectrum[chosen[:: max(1, len(chosen) // 4000)]].float())
    encoder.mean.copy_(sample.mean(dim=0))
    encoder.deviation.copy_((sample - encoder.mean).std().clamp(min=1e-3))
    optimizer = torch.optim.AdamW(encoder.parameters(), _RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    vae.requires_grad_(False)
    for step in range(steps):
        drawn = chosen[torch.randint(0, len(chosen), (_BATCH,), generator=random)]
        shift = (2 * torch.rand(_BATCH, generator=random) - 1) * _SHIFT_SEMITONES
        frames = store.take(store.spectrum_frame[drawn], shift)
        wanted, _ = vae.encode(frames.drawn, frames.pitch, frames.loudness)
        latent = encoder(warp(store.spectrum[drawn].float(), shift))
        apart = distance(frames, vae.decode(latent, frames.pitch, frames.loudness), vae.config.sample_rate)
        loss = apart.total + 0.1 * (latent - wanted).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        on_step(step + 1, steps)
    vae.requires_grad_(True)
    return encoder.eval()
