"""A training that knows how far it is, and takes its learning rate from that."""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from typing import Any, Protocol

import lightning as L
import torch

SETTINGS_KEY = "glitch_settings"
_LAST_RATE = 0.005


class Pace(Protocol):
    """The settings that a pace follows from; a frozen dataclass has them."""

    @property
    def max_steps(self) -> int:
        """Steps after which the training is over."""

    @property
    def max_minutes(self) -> float | None:
        """Minutes after which it is over, if these come first."""

    @property
    def learning_rate(self) -> float:
        """The highest."""

    @property
    def warmup_steps(self) -> int:
        """Steps over which it rises."""

    @property
    def weight_decay(self) -> float:
        """AdamW's."""


class Paced(L.LightningModule):
    """A training whose learning rate rises over a few steps, and falls as a cosine until the steps or minutes are over.

    All that is random in a step is to come with its draw; then what a resumed training needs is the weights, the
    optimizer, the step and the time spent, and the last two are kept here.

    Parameters
    ----------
    pace
        The settings of the training, a frozen dataclass; a checkpoint holds all of them.
    """

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self.pace = pace
        self.seconds_before = 0.0
        self.began = time.monotonic()

    @property
    def progress(self) -> float:
        """How far the training is, 0 to 1: in steps or in time, whichever ends first."""
        done = self.global_step / self.pace.max_steps
        if self.pace.max_minutes is not None:
            done = max(done, self.seconds / (60 * self.pace.max_minutes))
        return min(1.0, done)

    @property
    def seconds(self) -> float:
        """Time spent training, before it was resumed as well."""
        return self.seconds_before + time.monotonic() - self.began

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW; `on_train_batch_start` sets its learning rate."""
        pace = self.pace
        trained = [weight for weight in self.parameters() if weight.requires_grad]
        return torch.optim.AdamW(trained, pace.learning_rate, betas=(0.9, 0.99), weight_decay=pace.weight_decay)

    def on_train_start(self) -> None:
        """Start the clock."""
        self.began = time.monotonic()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Set the learning rate."""
        rise = min(1.0, (self.global_step + 1) / self.pace.warmup_steps)
        fall = 0.5 * (1 + math.cos(math.pi * self.progress)) * (1 - _LAST_RATE) + _LAST_RATE
        optimizer = self.optimizers()
        assert isinstance(optimizer, torch.optim.Optimizer | L.pytorch.core.optimizer.LightningOptimizer)
        for group in optimizer.param_groups:
            group["lr"] = self.pace.learning_rate * rise * fall

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the settings and the time spent."""
        checkpoint[SETTINGS_KEY] = {"config": asdict(self.pace), "seconds": self.seconds}  # type: ignore[call-overload]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up the time spent."""
        self.seconds_before = float(checkpoint[SETTINGS_KEY]["seconds"])

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Leave draws where the frames lie; what is taken from there moves."""
        return batch
