"""The training of a VAE on frames of sound: optimizer, learning rate and weights over the plan, evaluation.

The spectral and the playable model differ in network, data and objective; how these are trained is the same.
"""

from __future__ import annotations

import copy
import math
import time
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, Protocol

import lightning as L
import torch
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch import Tensor, nn

from models.training.frame_vae.sound_segments import Draw, SegmentSampler
from models.training.scheduled_module import HELD_OUT_LOSS, Schedule, ScheduledModule

_LAST_RATE = 0.005
_MIN_TRIALS = 6
_MAX_TRIAL_SECONDS = 5.0
_TRIAL_SHARE = 0.03


class FrameVaeSettings(Schedule, Protocol):
    """The settings of such a training, beside its plan."""

    @property
    def learning_rate(self) -> float:
        """The highest."""

    @property
    def warmup_steps(self) -> int:
        """Steps over which it rises."""

    @property
    def weight_decay(self) -> float:
        """Of AdamW."""

    @property
    def clip(self) -> float:
        """The largest norm of a gradient."""

    @property
    def beta(self) -> float:
        """Weight of the KL divergence."""

    @property
    def beta_warmup(self) -> float:
        """Share of the training over which that rises."""

    @property
    def check_every(self) -> int:
        """Steps between two evaluations."""


class TrainingFrames(Protocol):
    """The data of such a training."""

    @property
    def sampler(self) -> SegmentSampler:
        """Draws for the steps."""

    def evaluation_parts(self) -> Iterable[Tensor]:
        """Give index tensors of the held-out frames."""


class FrameVaeModule(ScheduledModule):
    """Trains a VAE: the learning rate rises over a few steps, and falls as a cosine until the plan is done.

    Parameters
    ----------
    settings
        The settings of the training.
    vae
        The network.
    frames
        The data.
    """

    settings: FrameVaeSettings

    def __init__(self, settings: FrameVaeSettings, vae: nn.Module, frames: TrainingFrames) -> None:
        super().__init__(settings)
        self.vae, self.frames = vae, frames

    @abstractmethod
    def loss_of(self, vae: nn.Module, draw: Draw, ramp: float) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the loss of a draw, and its parts by name; `ramp`, 0 to 1, scales the weights that rise at first."""

    @abstractmethod
    def evaluate(self, vae: nn.Module, index: Tensor) -> dict[str, Tensor]:
        """Give the figures of held-out frames by name, the loss (`HELD_OUT_LOSS`) among them."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW; `on_train_batch_start` sets its learning rate."""
        settings = self.settings
        trained = [weight for weight in self.vae.parameters() if weight.requires_grad]
        return torch.optim.AdamW(trained, settings.learning_rate, betas=(0.9, 0.99), weight_decay=settings.weight_decay)

    def on_train_batch_start(self, batch: Draw, batch_idx: int) -> None:
        """Set the learning rate."""
        rise = min(1.0, (self.global_step + 1) / self.settings.warmup_steps)
        fall = 0.5 * (1 + math.cos(math.pi * self.progress)) * (1 - _LAST_RATE) + _LAST_RATE
        optimizer = self.optimizers()
        assert isinstance(optimizer, torch.optim.Optimizer | L.pytorch.core.optimizer.LightningOptimizer)
        for group in optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * rise * fall

    def training_step(self, draw: Draw, batch_idx: int) -> STEP_OUTPUT:
        """Change a draw of sounds, encode, decode, compare."""
        ramp = min(1.0, self.progress / self.settings.beta_warmup)
        loss, parts = self.loss_of(self.vae, draw, ramp)
        self.log_dict({f"train/{name}": value.detach() for name, value in parts.items()})
        self.log("train/beta", self.settings.beta * ramp)
        return loss

    def validation_step(self, index: Tensor, batch_idx: int) -> None:
        """Evaluate on held-out frames."""
        self.log_dict(self.evaluate(self.vae, index), batch_size=len(index), sync_dist=True)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Leave draws on the CPU, where the frames are; only the frames that a step takes are moved."""
        return batch

    def step_seconds(self) -> float:
        """Measure how long a step takes, with its share of an evaluation, on a copy that is discarded."""
        settings, vae = self.settings, copy.deepcopy(self.vae)
        optimizer = torch.optim.AdamW(vae.parameters(), settings.learning_rate)
        limit = min(_MAX_TRIAL_SECONDS, _TRIAL_SHARE * 60 * (settings.max_minutes or math.inf))
        took: list[float] = []
        while len(took) < _MIN_TRIALS or sum(took) < limit:
            began = time.perf_counter()
            loss, _ = self.loss_of(vae, self.frames.sampler.draw(len(took)), 0.0)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(vae.parameters(), settings.clip)
            optimizer.step()
            float(loss.detach())  # waits for a GPU
            took.append(time.perf_counter() - began)
        began = time.perf_counter()
        with torch.no_grad():
            for index in self.frames.evaluation_parts():
                float(self.evaluate(self.vae, index)[HELD_OUT_LOSS])
        evaluation = time.perf_counter() - began
        warm = took[len(took) // 3 :]  # the first ones allocate
        return sum(warm) / len(warm) + evaluation / settings.check_every
