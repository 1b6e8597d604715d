"""The callback that keeps `last.ckpt`: at every evaluation, every few minutes, and when interrupted."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities.types import STEP_OUTPUT

from models.files.atomic import put
from models.training import step_plan
from models.training.errors import TrainingError
from models.training.scheduled_module import ScheduledModule

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class LastCheckpoint(Checkpoint):
    """Keeps a checkpoint to resume from, and ends the training in an orderly way.

    When the plan is done, the held-out sounds are evaluated once more, so every training ends with an evaluation.
    Ctrl-C and SIGTERM take effect after the current step: the file then holds exactly what an uninterrupted training
    has at that step. A training that is killed resumes from the last file that was written; before there is one, its
    plan is stored beside it. Add this callback after all callbacks whose state belongs in the file.

    Parameters
    ----------
    path
        The checkpoint to keep; it is replaced whole or not at all.
    keep_minutes
        How old it may become between evaluations, minutes.
    evaluates
        Whether the training has evaluations; without them the file is also written at the end.

    Raises
    ------
    TrainingError
        The training was interrupted; the message names the step.
    """

    def __init__(self, path: Path, keep_minutes: float = 2.0, *, evaluates: bool = True) -> None:
        self.path = path
        self.keep_minutes = keep_minutes
        self.evaluates = evaluates
        self._kept_at = time.monotonic()
        self._interrupted = False
        self._before: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Handle the signals and store the plan; stop at once if the plan is done."""
        assert isinstance(pl_module, ScheduledModule)
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) != signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._on_signal)
        self._kept_at = time.monotonic()
        if trainer.is_global_zero and not self.path.exists() and pl_module.plan is not None:
            step_plan.write(pl_module.plan, pl_module.settings_plain, self.path.parent)
        self._stop_if_done(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: STEP_OUTPUT, batch: Any, batch_idx: int
    ) -> None:
        """Stop when the plan is done; unless an evaluation follows, save if it is time or if interrupted."""
        self._stop_if_done(trainer, pl_module)
        last = trainer.should_stop
        if self.evaluates and (last or trainer.global_step % int(trainer.val_check_batch or 1) == 0):
            return
        due = last or time.monotonic() - self._kept_at > 60 * self.keep_minutes
        if not _any_process(trainer, due or self._interrupted):
            return
        self._save(trainer)
        if _any_process(trainer, self._interrupted) and not last:
            self._restore_signals()
            self._raise_interrupted(pl_module)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save the evaluation's results, and stop if interrupted meanwhile."""
        self._save(trainer)
        if _any_process(trainer, self._interrupted) and not trainer.should_stop:
            self._raise_interrupted(pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Restore the signal handlers."""
        self._restore_signals()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Restore the signal handlers."""
        self._restore_signals()

    def _stop_if_done(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        assert isinstance(pl_module, ScheduledModule)
        if pl_module.progress >= 1.0:  # the plan is the same in all processes
            trainer.should_stop = True

    def _save(self, trainer: L.Trainer) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.path.with_name(f".{self.path.name}.part")
        trainer.save_checkpoint(scratch)
        if trainer.is_global_zero:
            put(scratch, self.path)
        self._kept_at = time.monotonic()

    def _raise_interrupted(self, pl_module: L.LightningModule) -> None:
        assert isinstance(pl_module, ScheduledModule)
        raise TrainingError(f"Interrupted at step {pl_module.steps_done}; go on with --resume.")

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # Only noted: a launcher may pass on what the terminal has sent already, and the step must stay whole.
        self._interrupted = True

    def _restore_signals(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()


def _any_process(trainer: L.Trainer, condition: bool) -> bool:
    """Whether the condition holds in one of the processes that train together; they must stop at the same step."""
    return bool(trainer.strategy.reduce_boolean_decision(condition, all=False))
