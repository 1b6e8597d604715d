"""Presets: a latent for each instrument that varies with pitch and loudness, as the timbre of the instrument does.

A single latent for an instrument would fit a few notes only. So a small network maps instrument, pitch and loudness to
a latent. It is fitted through the finished decoder, by comparing sound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.playable_vae.frame_store import PartialStore
from models.playable_vae.network import PlayableVae, pitch_waves, scaled
from models.playable_vae.objective import distance
from models.vae.networks.mlp import mlp

HIDDEN = 96
_BATCH = 512
_RATE = 3e-3
_BEYOND_SEMITONES = 3.0
_SOFTEST_DBFS = -50.0


class Presets(nn.Module):
    """(Instrument, pitch, loudness) → latent.

    Parameters
    ----------
    instruments
        Their names, in order.
    latent
        Size of the latent.
    waves
        Sines and cosines that encode the pitch; see `models.playable_vae.network.pitch_waves`.
    """

    lowest: Tensor
    highest: Tensor
    loudest: Tensor

    def __init__(self, instruments: Sequence[str], latent: int, waves: int = 4) -> None:
        super().__init__()
        self.instruments = tuple(instruments)
        self.waves = waves
        count = len(self.instruments)
        self.net = mlp(count + 2 + 2 * waves, HIDDEN, latent, 2)
        self.register_buffer("lowest", torch.zeros(count))
        self.register_buffer("highest", torch.full((count,), 127.0))
        self.register_buffer("loudest", torch.zeros(count))

    def forward(self, weights: Tensor, pitch: Tensor, loudness: Tensor) -> Tensor:
        """Compute the latent of a mixture of instruments.

        Parameters
        ----------
        weights : Tensor [shape=(..., instruments)]
            Share of each instrument; their sum is 1.
        pitch, loudness : Tensor [shape=(...)]
            MIDI note number, and dBFS; both are limited to the range of the mixture.

        Returns
        -------
        latent : Tensor [shape=(..., latent)]
        """
        lowest, highest, loudest = ((weights * ends).sum(dim=-1) for ends in (self.lowest, self.highest, self.loudest))
        pitch = torch.minimum(torch.maximum(pitch, lowest), highest)
        loudness = torch.minimum(loudness.clamp(min=_SOFTEST_DBFS), loudest)
        conditions = [pitch_waves(pitch, self.waves), scaled(loudness)[..., None]]
        latent: Tensor = self.net(torch.cat([weights, *conditions], dim=-1))
        return latent


def fit(
    vae: PlayableVae,
    store: PartialStore,
    *,
    steps: int,
    seed: int,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> Presets:
    """Fit presets for the labels of a training set, so that the decoder reproduces the sound of each.

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
    presets : Presets
        In `eval()`; the instruments are the labels in alphabetical order.
    """
    random = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    names = sorted({sound.label for sound in store.sounds})
    presets = Presets(names, vae.config.latent)
    number = torch.tensor([names.index(sound.label) for sound in store.sounds])[store.sound]  # [frames]
    active = torch.nonzero(store.active)[:, 0]
    for k in range(len(names)):
        mine = active[number[active] == k]
        presets.lowest[k] = float(store.pitch[mine].min()) - _BEYOND_SEMITONES
        presets.highest[k] = float(store.pitch[mine].max()) + _BEYOND_SEMITONES
        presets.loudest[k] = float(store.loudness[mine].max())
    optimizer = torch.optim.AdamW(presets.parameters(), _RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    vae.requires_grad_(False)
    for step in range(steps):
        index = active[torch.randint(0, len(active), (_BATCH,), generator=random)]
        frames = store.take(index)
        weights = F.one_hot(number[index], len(names)).float()
        latent = presets(weights, frames.pitch, frames.loudness)
        apart = distance(frames, vae.decode(latent, frames.pitch, frames.loudness), vae.config.sample_rate)
        optimizer.zero_grad()
        torch.autograd.backward(apart.total)
        optimizer.step()
        schedule.step()
        on_step(step + 1, steps)
    vae.requires_grad_(True)
    return presets.eval()
