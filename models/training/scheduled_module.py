"""The Lightning module that every training here derives from: its plan, its clock, its part of a checkpoint."""

from __future__ import annotations

import time
from abc import abstractmethod
from dataclasses import asdict
from typing import Any, ClassVar, Protocol

import lightning as L

from models.training import step_plan
from models.training.step_plan import Plan

HELD_OUT_LOSS = "held_out/loss"
SETTINGS_KEY = "glitch_settings"
"""Where `last.ckpt` stores settings, plan and time spent."""


class Schedule(Protocol):
    """The settings that say how long a training lasts; a frozen dataclass has them."""

    @property
    def max_steps(self) -> int:
        """Steps after which the training ends."""

    @property
    def max_minutes(self) -> float | None:
        """Minutes that the plan must fit into, if that is fewer steps."""


class ScheduledModule(L.LightningModule):
    """A training with a plan: the number of its steps is fixed when it begins.

    All random numbers of a step follow from the seed and the step's number, and schedules follow from `progress`. So a
    checkpoint of weights, optimizers, step and plan is enough to resume a training exactly.

    Parameters
    ----------
    settings
        The settings of the training, a frozen dataclass; a checkpoint stores all of them.

    Attributes
    ----------
    plan : Plan or None
        Made when the training starts, or read from a checkpoint.
    """

    renamed_weights: ClassVar[dict[str, str]] = {}
    """Prefixes of weights in older checkpoints, and those that replace them."""

    def __init__(self, settings: Schedule) -> None:
        super().__init__()
        self.settings = settings
        self.plan: Plan | None = None
        self.steps_before = 0
        self.seconds_before = 0.0
        self.began = time.monotonic()

    @abstractmethod
    def step_seconds(self) -> float:
        """Measure how long a step takes, seconds, without changing the training; called if minutes are given."""

    @property
    def steps_done(self) -> int:
        """Training steps done, including those before it was resumed."""
        return self.global_step

    @property
    def progress(self) -> float:
        """Share of the plan that is done, 0 to 1."""
        return 0.0 if self.plan is None else min(1.0, self.steps_done / self.plan.steps)

    @property
    def seconds(self) -> float:
        """Time spent training, including that before it was resumed."""
        return self.seconds_before + time.monotonic() - self.began

    @property
    def settings_plain(self) -> dict[str, Any]:
        """The settings as plain data."""
        return asdict(self.settings)  # type: ignore[call-overload]

    def on_fit_start(self) -> None:
        """Make the plan, or keep that of the resumed training; the first process decides for all."""
        limits = (self.settings.max_steps, self.settings.max_minutes)
        if self.plan is None:
            made = step_plan.begin(*limits, self.step_seconds)
        else:
            made = step_plan.go_on(
                self.plan, *limits, self.step_seconds, done=self.steps_before, seconds=self.seconds_before
            )
        self.plan = self.trainer.strategy.broadcast(made)

    def on_train_start(self) -> None:
        """Start the clock."""
        self.began = time.monotonic()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the settings, the plan and the time spent."""
        kept = None if self.plan is None else asdict(self.plan)
        checkpoint[SETTINGS_KEY] = {"config": self.settings_plain, "seconds": self.seconds, "plan": kept}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over the plan and the time spent, and the weights of older checkpoints under their new names."""
        weights = checkpoint["state_dict"]
        for old, new in self.renamed_weights.items():
            for name in [name for name in weights if name.startswith(old)]:
                weights[new + name.removeprefix(old)] = weights.pop(name)
        stored = checkpoint[SETTINGS_KEY]
        self.seconds_before, self.steps_before = float(stored["seconds"]), int(checkpoint["global_step"])
        if stored.get("plan"):
            self.plan = Plan(**stored["plan"])
