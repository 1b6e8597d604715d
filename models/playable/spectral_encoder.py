"""The encoder that hears sound: a spectrum in, the latent out that the analysis of the same note gives.

The analysis knows the pitch and looks at whole notes; a live input does neither. So a network learns, from spectra of
the same frames, the latents that the model's own encoder finds, and what the decoder makes of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.harmonics.analysis import SPECTRUM_FFT
from models.playable.frames import PartialStore
from models.playable.network import PlayableConfig, PlayableVae
from models.playable.objective import distance
from models.spectral.network import LN_10_OVER_20, half_energy, mlp, unit_gain, warp

BINS = SPECTRUM_FFT // 2 + 1
LOWEST = -11.5
"""Floor of log-magnitudes of unit energy: −100 dB."""

_BATCH = 256
_RATE = 1e-3
_SHIFT_SEMITONES = 1.2


class Hearing(nn.Module):
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
        """Bring log-magnitudes to unit energy, but no louder than they are where they are silence."""
        quietest = 2 * (math.log(unit_gain(SPECTRUM_FFT)) + self.quietest_db * LN_10_OVER_20)
        energy = torch.log(half_energy(log_magnitude)).clamp(min=quietest)
        raised = (log_magnitude - 0.5 * energy).clamp(min=LOWEST)
        return raised - 0.5 * torch.log(half_energy(raised))


def fit(
    vae: PlayableVae,
    store: PartialStore,
    *,
    steps: int,
    seed: int,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> Hearing:
    """Teach an encoder to hear what the model's own encoder is told.

    Every spectrum is moved along frequency by up to 1.2 semitones, so that pitches between those trained on are heard.

    Parameters
    ----------
    vae
        The trained model; it stays as it is.
    store
        Its training set.
    steps
        Of the fit.
    seed
        Of the weights and of what is drawn.
    on_step
        Called after each step with how many are done and how many there are.
    """
    random = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    hearing = Hearing(vae.config)
    chosen = torch.nonzero(store.active[store.heard])[:, 0]
    sample = hearing.shape(store.spectrum[chosen[:: max(1, len(chosen) // 4000)]].float())
    hearing.mean.copy_(sample.mean(dim=0))
    hearing.deviation.copy_((sample - hearing.mean).std().clamp(min=1e-3))
    optimizer = torch.optim.AdamW(hearing.parameters(), _RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    vae.requires_grad_(False)
    for step in range(steps):
        heard = chosen[torch.randint(0, len(chosen), (_BATCH,), generator=random)]
        shift = (2 * torch.rand(_BATCH, generator=random) - 1) * _SHIFT_SEMITONES
        frames = store.take(store.heard[heard], shift)
        wanted, _ = vae.encode(frames.drawn, frames.pitch, frames.loudness)
        latent = hearing(warp(store.spectrum[heard].float(), shift))
        apart = distance(frames, vae.decode(latent, frames.pitch, frames.loudness), vae.config.sample_rate)
        loss = apart.total + 0.1 * (latent - wanted).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        on_step(step + 1, steps)
    vae.requires_grad_(True)
    return hearing.eval()
