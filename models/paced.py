"""A training that knows how far it is, and takes its learning rate from that."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Protocol

import lightning as L
import torch

from models import plan
from models.plan import Plan

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
        """Minutes that it may take, if they do for fewer steps."""

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
        """Norm of the gradient at most."""

    @property
    def check_every(self) -> int:
        """Steps between evaluations."""


class Paced(L.LightningModule):
    """A training whose learning rate rises over a few steps, and falls as a cosine until its plan is fulfilled.

    All that is random in a step is to come with its draw, from the `draws` of the data module; then what a resumed
    training needs is the weights, the optimizer, the step and the plan. The time spent is only told.

    Parameters
    ----------
    pace
        The settings of the training, a frozen dataclass; a checkpoint holds all of them.
    """

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self.pace = pace
        self.plan: Plan | None = None
        self.steps_before = 0
        self.seconds_before = 0.0
        self.began = time.monotonic()

    @property
    def progress(self) -> float:
        """How far the training is in its plan, 0 to 1."""
        return 0.0 if self.plan is None else min(1.0, self.global_step / self.plan.steps)

    @property
    def seconds(self) -> float:
        """Time spent training, before it was resumed as well."""
        return self.seconds_before + time.monotonic() - self.began

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW; `on_train_batch_start` sets its learning rate."""
        pace = self.pace
        trained = [weight for weight in self.parameters() if weight.requires_grad]
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

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Set the learning rate."""
        rise = min(1.0, (self.global_step + 1) / self.pace.warmup_steps)
        fall = 0.5 * (1 + math.cos(math.pi * self.progress)) * (1 - _LAST_RATE) + _LAST_RATE
        optimizer = self.optimizers()
        assert isinstance(optimizer, torch.optim.Optimizer | L.pytorch.core.optimizer.LightningOptimizer)
        for group in optimizer.param_groups:
            group["lr"] = self.pace.learning_rate * rise * fall

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the settings, the plan and the time spent."""
        kept = None if self.plan is None else asdict(self.plan)
        checkpoint[SETTINGS_KEY] = {"config": self.plain_settings(), "seconds": self.seconds, "plan": kept}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up the plan and the time spent."""
        settings = checkpoint[SETTINGS_KEY]
        self.seconds_before, self.steps_before = float(settings["seconds"]), int(checkpoint["global_step"])
        if settings.get("plan"):
            self.plan = Plan(**settings["plan"])

    def plain_settings(self) -> dict[str, Any]:
        """Give the settings as plain data."""
        return asdict(self.pace)  # type: ignore[call-overload]

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Leave draws where the frames lie; what is taken from there moves."""
        return batch

    def _step_seconds(self) -> float:
        """Measure how long a step takes, with its share of an evaluation; the weights are put back afterwards."""
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        kept = {name: value.detach().clone() for name, value in self.state_dict().items()}
        weights = [weight for weight in self.parameters() if weight.requires_grad]
        optimizer = self.configure_optimizers()
        limit = min(_LONGEST_TRIAL_SECONDS, _TRIAL_SHARE * 60 * (self.pace.max_minutes or math.inf))
        took: list[float] = []
        with _unlogged(self):
            while len(took) < _FEWEST_TRIALS or sum(took) < limit:
                began = time.perf_counter()
                loss: Any = self.training_step(data.draws.draw(len(took)), 0)
                # Not `backward`, at which processes that train together would wait for each other.
                for weight, gradient in zip(
                    weights, torch.autograd.grad(loss, weights, allow_unused=True), strict=True
                ):
                    weight.grad = gradient
                torch.nn.utils.clip_grad_norm_(weights, self.pace.clip)
                optimizer.step()
                float(loss.detach())  # waits for a GPU
                took.append(time.perf_counter() - began)
            began = time.perf_counter()
            with torch.no_grad():
                for index in data.val_dataloader():
                    self.validation_step(index, 0)
            evaluation = time.perf_counter() - began
        self.load_state_dict(kept)
        self.zero_grad(set_to_none=True)
        warm = took[len(took) // 3 :]  # the first ones allocate
        return sum(warm) / len(warm) + evaluation / self.pace.check_every


@contextmanager
def _unlogged(module: L.LightningModule) -> Iterator[None]:
    """Let a module log nothing: outside of a training there is no place for it."""

    def nothing(*given: Any, **named: Any) -> None:
        pass

    for name in ("log", "log_dict"):
        setattr(module, name, nothing)
    try:
        yield
    finally:
        for name in ("log", "log_dict"):
            delattr(module, name)
