"""What a training is resumed from: `last.ckpt`, kept at every evaluation, every few minutes, and when interrupted."""

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

from export.errors import GlitchError
from models.files.atomic import put
from models.training import plan
from models.training.plan import Planned

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class TrainingError(GlitchError):
    """A training came to no good end."""


class LastCheckpoint(Checkpoint):
    """Keeps `path` where the training stands, and ends the training in good order.

    When the steps are over, the held-out sounds are judged once more, so every end is an evaluation. Ctrl-C and SIGTERM
    are obeyed after the step at hand: the file then holds exactly what an uninterrupted training knows at that step. A
    training that is killed goes on from the file as it was kept last; before there is one, its plan lies beside. Give
    it after all callbacks whose state belongs into the file.

    Parameters
    ----------
    path
        The checkpoint to keep; it is replaced whole or not at all.
    keep_minutes
        How old it may become between evaluations.

    Raises
    ------
    TrainingError
        The training was interrupted; the message names the step.
    """

    def __init__(self, path: Path, keep_minutes: float = 2.0) -> None:
        self.path = path
        self.keep_minutes = keep_minutes
        self._kept_at = time.monotonic()
        self._interrupted = False
        self._before: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Listen to the signals, and keep the plan; stop at once if there is nothing left to do."""
        assert isinstance(pl_module, Planned)
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) != signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._on_signal)
        self._kept_at = time.monotonic()
        if trainer.is_global_zero and not self.path.exists() and pl_module.plan is not None:
            plan.write(pl_module.plan, pl_module.settings_told, self.path.parent)
        self._stop_if_over(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: STEP_OUTPUT, batch: Any, batch_idx: int
    ) -> None:
        """Stop when the training is over; where no evaluation comes next, keep it if it is time or interrupted."""
        self._stop_if_over(trainer, pl_module)
        if trainer.should_stop or trainer.global_step % int(trainer.val_check_batch or 1) == 0:
            return
        due = time.monotonic() - self._kept_at > 60 * self.keep_minutes
        if not _any_process(trainer, due or self._interrupted):
            return
        self._save(trainer)
        if _any_process(trainer, self._interrupted):
            self._raise_interrupted(trainer)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep what the evaluation has found, and stop if interrupted meanwhile."""
        self._save(trainer)
        if _any_process(trainer, self._interrupted) and not trainer.should_stop:
            self._raise_interrupted(trainer)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Give the signals back."""
        self._restore_signals()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Give the signals back."""
        self._restore_signals()

    def _stop_if_over(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        assert isinstance(pl_module, Planned)
        if pl_module.progress >= 1.0:  # the plan is the same in all processes
            trainer.should_stop = True

    def _save(self, trainer: L.Trainer) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.path.with_name(f".{self.path.name}.part")
        trainer.save_checkpoint(scratch)
        if trainer.is_global_zero:
            put(scratch, self.path)
        self._kept_at = time.monotonic()

    def _raise_interrupted(self, trainer: L.Trainer) -> None:
        raise TrainingError(f"Interrupted at step {trainer.global_step}; go on with --resume.")

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # Only noted: a launcher may pass on what the terminal has sent already, and the step must stay whole.
        self._interrupted = True

    def _restore_signals(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()


def _any_process(trainer: L.Trainer, said: bool) -> bool:
    """Whether one of the processes that train together says so; they must stop at the same step."""
    return bool(trainer.strategy.reduce_boolean_decision(said, all=False))
