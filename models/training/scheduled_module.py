"""A training that knows how far it is in its plan: its steps, what it is judged by, what a checkpoint keeps of it."""

from __future__ import annotations

import copy
import math
import time
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Protocol

import lightning as L
import torch
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch import Tensor, nn

from models.spectral.frames import Draw, Draws
from models.training import plan
from models.training.plan import Plan

HELD_OUT_LOSS = "held_out/loss"
SETTINGS_KEY = "glitch_settings"
_LAST_RATE = 0.005
_FEWEST_TRIALS = 6
_LONGEST_TRIAL_SECONDS = 5.0
_TRIAL_SHARE = 0.03


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

    @property
    def clip(self) -> float:
        """The largest gradient."""

    @property
    def beta(self) -> float:
        """Weight of the KL divergence."""

    @property
    def beta_warmup(self) -> float:
        """Share of the training over which that rises."""

    @property
    def check_every(self) -> int:
        """Steps between two evaluations."""


class Sounds(Protocol):
    """What is trained on, and judged by."""

    @property
    def draws(self) -> Draws:
        """What each step sees."""

    def judged(self) -> Iterable[Tensor]:
        """Give numbers of held-out frames, in parts."""


class Paced(L.LightningModule):
    """Trains a network: the learning rate rises over a few steps, and falls as a cosine until the plan is over.

    All that is random in a step comes with its draw, and the learning rate and the weights of the loss follow from how
    far the training is in its plan; so what a resumed training needs is the weights, the optimizer, the step and the
    plan. The time spent is only told.

    Parameters
    ----------
    pace
        The settings of the training, a frozen dataclass; a checkpoint holds all of them.
    vae
        What is trained.
    sounds
        What it is trained on.
    """

    def __init__(self, pace: Pace, vae: nn.Module, sounds: Sounds) -> None:
        super().__init__()
        self.pace, self.vae, self.sounds = pace, vae, sounds
        self.plan: Plan | None = None
        self.steps_before = 0
        self.seconds_before = 0.0
        self.began = time.monotonic()

    @abstractmethod
    def loss_of(self, vae: nn.Module, draw: Draw, ramp: float) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the loss of a draw, and its parts by name; `ramp` weighs what is to count little at first, 0 to 1."""

    @abstractmethod
    def judge(self, vae: nn.Module, index: Tensor) -> dict[str, Tensor]:
        """Give the figures of held-out frames by name, the loss (`HELD_OUT_LOSS`) among them."""

    @property
    def progress(self) -> float:
        """How far the training is in its plan, 0 to 1."""
        return 0.0 if self.plan is None else min(1.0, self.global_step / self.plan.steps)

    @property
    def seconds(self) -> float:
        """Time spent training, before it was resumed as well."""
        return self.seconds_before + time.monotonic() - self.began

    @property
    def settings_told(self) -> dict[str, Any]:
        """The settings as plain data."""
        return asdict(self.pace)  # type: ignore[call-overload]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW; `on_train_batch_start` sets its learning rate."""
        pace = self.pace
        trained = [weight for weight in self.vae.parameters() if weight.requires_grad]
        return torch.optim.AdamW(trained, pace.learning_rate, betas=(0.9, 0.99), weight_decay=pace.weight_decay)

    def on_fit_start(self) -> None:
        """Make the plan, or keep the one that the training began with; the first process decides for all."""
        most = (self.pace.max_steps, self.pace.max_minutes)
        if self.plan is None:
            made = plan.begin(*most, self._step_seconds)
        else:
            made = plan.go_on(self.plan, *most, self._step_seconds, done=self.steps_before, seconds=self.seconds_before)
        self.plan = self.trainer.strategy.broadcast(made)

    def on_train_start(self) -> None:
        """Start the clock."""
        self.began = time.monotonic()

    def on_train_batch_start(self, batch: Draw, batch_idx: int) -> None:
        """Set the learning rate."""
        rise = min(1.0, (self.global_step + 1) / self.pace.warmup_steps)
        fall = 0.5 * (1 + math.cos(math.pi * self.progress)) * (1 - _LAST_RATE) + _LAST_RATE
        optimizer = self.optimizers()
        assert isinstance(optimizer, torch.optim.Optimizer | L.pytorch.core.optimizer.LightningOptimizer)
        for group in optimizer.param_groups:
            group["lr"] = self.pace.learning_rate * rise * fall

    def training_step(self, draw: Draw, batch_idx: int) -> STEP_OUTPUT:
        """Change a draw of sounds, encode, decode, compare."""
        ramp = min(1.0, self.progress / self.pace.beta_warmup)
        loss, parts = self.loss_of(self.vae, draw, ramp)
        self.log_dict({f"train/{name}": value.detach() for name, value in parts.items()})
        self.log("train/beta", self.pace.beta * ramp)
        return loss

    def validation_step(self, index: Tensor, batch_idx: int) -> None:
        """Judge held-out frames."""
        self.log_dict(self.judge(self.vae, index), batch_size=len(index), sync_dist=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the settings, the plan and the time spent."""
        kept = None if self.plan is None else asdict(self.plan)
        checkpoint[SETTINGS_KEY] = {"config": self.settings_told, "seconds": self.seconds, "plan": kept}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up the plan and the time spent."""
        settings = checkpoint[SETTINGS_KEY]
        self.seconds_before, self.steps_before = float(settings["seconds"]), int(checkpoint["global_step"])
        if settings.get("plan"):
            self.plan = Plan(**settings["plan"])

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Leave draws where the frames lie; what is taken from there moves."""
        return batch

    def _step_seconds(self) -> float:
        """Measure how long a step takes, with its share of an evaluation, on a copy that is thrown away."""
        vae = copy.deepcopy(self.vae)
        optimizer = torch.optim.AdamW(vae.parameters(), self.pace.learning_rate)
        limit = min(_LONGEST_TRIAL_SECONDS, _TRIAL_SHARE * 60 * (self.pace.max_minutes or math.inf))
        took: list[float] = []
        while len(took) < _FEWEST_TRIALS or sum(took) < limit:
            began = time.perf_counter()
            loss, _ = self.loss_of(vae, self.sounds.draws.draw(len(took)), 0.0)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(vae.parameters(), self.pace.clip)
            optimizer.step()
            float(loss.detach())  # waits for a GPU
            took.append(time.perf_counter() - began)
        began = time.perf_counter()
        with torch.no_grad():
            for index in self.sounds.judged():
                float(self.judge(vae, index)[HELD_OUT_LOSS])
        evaluation = time.perf_counter() - began
        warm = took[len(took) // 3 :]  # the first ones allocate
        return sum(warm) / len(warm) + evaluation / self.pace.check_every
