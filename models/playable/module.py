"""The training of the playable model as Lightning sees it: data, steps, judging."""

from __future__ import annotations

from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from models.playable.frames import Frames, PartialStore
from models.playable.network import PlayableVae
from models.playable.objective import distance
from models.playable.settings import PlayableSettings
from models.spectral.frames import Draw, Draws
from models.spectral.objective import kl_divergence, movement
from models.training.scheduled_module import HELD_OUT_LOSS, Paced

JUDGED_FRAMES = 4_000
_SCALED_BY = 20_000


class Notes(L.LightningDataModule):
    """Draws from the notes trained on, and an even choice of held-out frames to judge by."""

    def __init__(self, train: PartialStore, held_out: PartialStore, settings: PlayableSettings) -> None:
        super().__init__()
        self.train, self.held_out = train, held_out
        self.draws = Draws(
            train.starts(settings.segment_frames),
            segments=settings.segments,
            length=settings.segment_frames,
            latent=settings.model.latent,
            warp_semitones=settings.shift_semitones,
            seed=settings.seed,
        )

    def train_dataloader(self) -> DataLoader[Draw]:
        """Draws from where the training stands."""
        assert self.trainer is not None
        self.draws.first = self.trainer.global_step
        self.draws.rank = self.trainer.global_rank
        return DataLoader(self.draws, batch_size=None)

    def val_dataloader(self) -> DataLoader[Any]:
        """Numbers of the frames to judge by."""
        parts: Any = self.judged()
        return DataLoader(parts, batch_size=None)

    def judged(self) -> list[Tensor]:
        """Choose the frames to judge by, evenly, in one part."""
        return [evenly(self.held_out, JUDGED_FRAMES)]


class PlayableTraining(Paced):
    """Trains a `PlayableVae`."""

    vae: PlayableVae

    def __init__(self, settings: PlayableSettings, notes: Notes) -> None:
        super().__init__(settings, PlayableVae(settings.model), notes)
        self.settings, self.notes = settings, notes

    def fit_scales(self) -> None:
        """Give the network the mean and the deviation of its features, from an even choice of frames."""
        features = self.notes.train.take(evenly(self.notes.train, _SCALED_BY)).drawn.joined
        self.vae.mean.copy_(features.mean(dim=0))
        self.vae.deviation.copy_((features - self.vae.mean).std().clamp(min=1e-3))

    def loss_of(self, vae: nn.Module, draw: Draw, ramp: float) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the loss of a draw, shifted in pitch, and its parts."""
        settings = self.settings
        frames = moved(self.notes.train.take(draw.index, draw.semitones), self.device)
        made, mean, log_variance = vae(frames.drawn, frames.pitch, frames.loudness, draw.noise.to(self.device))
        apart = distance(frames, made, settings.model.sample_rate)
        kl, steps = kl_divergence(mean, log_variance), movement(mean)
        loss: Tensor = apart.total + ramp * (settings.beta * kl + settings.slowness * steps)
        parts = {"loss": loss, "harmonics": apart.harmonics, "amplitude": apart.amplitude, "noise": apart.noise}
        return loss, {**parts, "kl": kl, "movement": steps}

    def judge(self, vae: nn.Module, index: Tensor) -> dict[str, Tensor]:
        """Give the figures of held-out frames, decoded from the mean of their latent's distribution."""
        assert isinstance(vae, PlayableVae)
        frames = moved(self.notes.held_out.take(index), self.device)
        mean, log_variance = vae.encode(frames.drawn, frames.pitch, frames.loudness)
        apart = distance(frames, vae.decode(mean, frames.pitch, frames.loudness), self.settings.model.sample_rate)
        return {
            HELD_OUT_LOSS: apart.total,
            "held_out/harmonics": apart.harmonics,
            "held_out/noise": apart.noise,
            "held_out/kl": kl_divergence(mean, log_variance),
        }


def evenly(store: PartialStore, count: int) -> Tensor:
    """Choose so many active frames of a store, as far apart as can be."""
    active = np.flatnonzero(store.active.numpy())
    return torch.from_numpy(active[np.linspace(0, len(active) - 1, min(count, len(active))).astype(np.int64)])


def moved(frames: Frames, device: torch.device) -> Frames:
    """Bring frames to a device."""
    drawn = type(frames.drawn)(*(part.to(device) for part in vars(frames.drawn).values()))
    return Frames(drawn, frames.pitch.to(device), frames.loudness.to(device))
