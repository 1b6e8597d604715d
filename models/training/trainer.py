"""The Lightning trainer of all runs: quiet, logged to TensorBoard, resumable."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger

from models.training.errors import TrainingError
from models.training.lightning_logging import lightning_logging
from models.training.run_config import RunConfig
from models.training.scheduled_module import ScheduledModule

LOGGED_EVERY = 50


def fit(
    module: ScheduledModule,
    run: RunConfig,
    *,
    callbacks: Sequence[L.Callback],
    checkpoint: Path | None,
    data: L.LightningDataModule | None = None,
    check_every: int | None = None,
    clip: float | None = None,
) -> L.Trainer:
    """Train until the plan is done, or until a callback stops it.

    Parameters
    ----------
    module
        The training.
    run
        Device, folder of the logs.
    callbacks
        In the order in which they are called; `LastCheckpoint` after all whose state a checkpoint stores.
    checkpoint
        The checkpoint to resume from; None begins.
    data
        The data, where the module doesn't load them itself.
    check_every
        Steps between two evaluations; None for a training without evaluations, whose steps the callbacks count.
    clip
        The largest norm of a gradient; None for no limit.

    Returns
    -------
    trainer : L.Trainer
        Lightning's trainer, at its last step.

    Raises
    ------
    TrainingError
        The training was interrupted.
    """
    max_steps = module.settings.max_steps
    schedule = (
        {"max_epochs": -1}
        if check_every is None
        else {
            "max_steps": max_steps,
            "val_check_interval": min(check_every, max_steps),
            "check_val_every_n_epoch": None,
            "num_sanity_val_steps": 0,
            "log_every_n_steps": min(LOGGED_EVERY, check_every),
        }
    )
    with lightning_logging():
        trainer = L.Trainer(
            accelerator=run.accelerator,
            devices=run.devices,
            num_nodes=run.nodes,
            callbacks=list(callbacks),
            logger=TensorBoardLogger(run.out, name="logs", version=""),
            gradient_clip_val=clip,
            enable_progress_bar=False,
            enable_model_summary=False,
            **schedule,
        )
        path = None if checkpoint is None else str(checkpoint)
        try:
            trainer.fit(module, datamodule=data, ckpt_path=path, weights_only=True)
        except SystemExit:  # Lightning's answer to Ctrl-C before the first step
            remedy = "go on with --resume" if run.resume else "begin again"
            raise TrainingError(f"Interrupted before a step was done; {remedy}.") from None
    return trainer
