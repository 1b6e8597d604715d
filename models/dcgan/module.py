"""The training of a DCGAN as Lightning sees it: turns, the plan, and what a checkpoint keeps."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch.optim import Optimizer
from torch.utils.data import DataLoader, IterableDataset

from models.dcgan.adversarial import Game
from models.training import plan
from models.training.plan import Plan
from models.training.resume import LastCheckpoint, TrainingError
from models.training.scheduled_module import SETTINGS_KEY

_LOGGED_EVERY = 10
_TRIALS, _FIRST_TRIALS = 6, 2


class DcganTraining(L.LightningModule):
    """Plays turns until the plan is over.

    What a resumed training needs is the networks, their optimizers, the number of turns and the plan.
    """

    def __init__(self, game: Game) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.game = game
        self.plan: Plan | None = None
        self.turns = 0
        self.seconds_before = 0.0
        self.began = time.monotonic()

    @property
    def progress(self) -> float:
        """How far the training is in its plan, 0 to 1."""
        return 0.0 if self.plan is None else min(1.0, self.turns / self.plan.steps)

    @property
    def seconds(self) -> float:
        """Time spent training, before it was resumed as well."""
        return self.seconds_before + time.monotonic() - self.began

    @property
    def epoch(self) -> int:
        """Epochs that are over."""
        return self.turns // self.game.form.epoch_steps

    @property
    def settings_told(self) -> dict[str, Any]:
        """The settings as plain data."""
        return asdict(self.game.settings)

    def configure_optimizers(self) -> list[Optimizer]:
        """One for each network."""
        return self.game.optimizers()

    def train_dataloader(self) -> DataLoader[int]:
        """Numbers of turns, from where the training stands; what they see follows from the number."""
        return DataLoader(_Turns(self), batch_size=None)

    def on_fit_start(self) -> None:
        """Make the plan, or keep the one that the training began with."""
        settings = self.game.settings
        most = (settings.max_steps, settings.max_minutes)
        if self.plan is None:
            self.plan = plan.begin(*most, self._turn_seconds)
        else:
            self.plan = plan.go_on(self.plan, *most, self._turn_seconds, done=self.turns, seconds=self.seconds_before)

    def on_train_start(self) -> None:
        """Start the clock."""
        self.began = time.monotonic()

    def training_step(self, number: int, batch_idx: int) -> STEP_OUTPUT:
        """Play a turn."""
        found = self.game.turn(self.optimizers(), self.turns, self.manual_backward)  # type: ignore[arg-type]
        self.turns += 1
        if isinstance(self.logger, TensorBoardLogger) and self.turns % _LOGGED_EVERY == 0:
            for name, value in found.items():
                self.logger.experiment.add_scalar(f"train/{name}", float(value), self.turns)
        return None

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the settings, the plan, the turns and the time spent."""
        kept = None if self.plan is None else asdict(self.plan)
        told = {"config": self.settings_told, "seconds": self.seconds, "plan": kept, "turns": self.turns}
        checkpoint[SETTINGS_KEY] = told

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up the plan, the turns and the time spent."""
        told = checkpoint[SETTINGS_KEY]
        self.seconds_before, self.turns = float(told["seconds"]), int(told["turns"])
        self.plan = Plan(**told["plan"])

    def _turn_seconds(self) -> float:
        """Measure how long a turn takes, on a copy that is thrown away."""
        game = copy.deepcopy(self.game)
        optimizers = game.optimizers()
        took = []
        for k in range(_TRIALS):
            began = time.perf_counter()
            float(game.turn(optimizers, k)["judge"])  # waits for a GPU
            took.append(time.perf_counter() - began)
        warm = took[_FIRST_TRIALS:]
        return sum(warm) / len(warm)


class LastTurn(LastCheckpoint):
    """Keeps the checkpoint every few minutes and at the end, and ends the training when its plan is over.

    Parameters
    ----------
    path, keep_minutes
        See `models.training.resume.LastCheckpoint`.
    """

    def __init__(self, path: Path, keep_minutes: float) -> None:
        super().__init__(path, keep_minutes)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: STEP_OUTPUT, batch: Any, batch_idx: int
    ) -> None:
        """Stop when the training is over, or interrupted; keep it if it is time."""
        self._stop_if_over(trainer, pl_module)
        due = time.monotonic() - self._kept_at > 60 * self.keep_minutes
        if trainer.should_stop or due or self._interrupted:
            self._save(trainer)
        if self._interrupted and not trainer.should_stop:
            self._restore_signals()
            assert isinstance(pl_module, DcganTraining)
            raise TrainingError(f"Interrupted at step {pl_module.turns}; go on with --resume.")


class _Turns(IterableDataset[int]):
    """Counts turns."""

    def __init__(self, training: DcganTraining) -> None:
        self.training = training

    def __iter__(self) -> Iterator[int]:
        number = self.training.turns
        while True:
            yield number
            number += 1
