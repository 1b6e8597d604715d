"""Training of any VAE (`models.vae.vae`), epoch by epoch, with early stopping.

A moving average of the weights is evaluated and kept: it is close to the centre of the last steps. All random numbers
of a step follow from the seed and the step's number.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import lightning as L
import torch
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.types import STEP_OUTPUT, OptimizerLRScheduler
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, IterableDataset

from export.errors import GlitchError
from export.streaming.layer_base import whole_signals
from models.training.lightning_logging import lightning_logging
from models.training.seeding import generator_for
from models.training.weight_averaging import kept_share
from models.vae.vae import Vae, Weighing

HELD_OUT = "held_out/loss"
_DRAWS = 8  # of each latent in an evaluation
_LAST_RATE = 0.02

Batch = tuple[Tensor, dict[str, Tensor]]
"""Data [batch, channels, ...], and their conditions."""


class FittingError(GlitchError):
    """A training diverged, or was interrupted."""


class Feed(Protocol):
    """The data of a training."""

    def epoch(self, number: int) -> Iterator[Batch]:
        """Give the batches of an epoch; the same number gives the same ones."""

    def held_out(self) -> Iterator[Batch]:
        """Give the held-out data."""


@dataclass(frozen=True)
class FitSettings:
    """Settings of a training.

    Attributes
    ----------
    epochs
        Largest number of epochs; the learning rate falls as a cosine until then.
    learning_rate, weight_decay
        Of AdamW.
    clip
        Largest norm of a gradient.
    weighing
        Weight of the KL divergence.
    average
        Share of the moving average of the weights that a step keeps.
    patience
        Training stops after this many epochs without improvement on held-out data.
    seed
        Seed of all random numbers.
    """

    epochs: int = 200
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    clip: float = 1.0
    weighing: Weighing = field(default_factory=Weighing)
    average: float = 0.99
    patience: int = 40
    seed: int = 0


@dataclass(frozen=True)
class Fitted:
    """A finished training.

    Attributes
    ----------
    vae
        The model at its best evaluation, in `eval()`.
    epoch
        Number of epochs until then.
    loss
        Distortion plus weighted KL divergence of the held-out data then, nats: the negative ELBO, where β is 1.
    """

    vae: Vae
    epoch: int
    loss: float


def fit(
    vae: Vae,
    feed: Feed,
    settings: FitSettings,
    *,
    logs: Path | None = None,
    callbacks: Sequence[L.Callback] = (),
    accelerator: str = "cpu",
    on_epoch: Callable[[int, int], None] = lambda done, total: None,
) -> Fitted:
    """Train a VAE.

    Parameters
    ----------
    vae
        The model; it has the weights of the last step afterwards.
    feed
        The data.
    settings
        The settings.
    logs
        Folder for TensorBoard; None writes none.
    callbacks
        Further callbacks.
    accelerator
        The device, by its name in Lightning.
    on_epoch
        Called after each epoch with the number of epochs done and the largest number.

    Returns
    -------
    fitted : Fitted
        With a copy of the model at its best evaluation, on the CPU.

    Raises
    ------
    FittingError
        The weights are no longer finite, or training was interrupted.
    """
    L.seed_everything(settings.seed, workers=True, verbose=False)
    module = VaeModule(vae, feed, settings)
    best, stop = _Best(on_epoch), EarlyStopping(HELD_OUT, patience=settings.patience, check_finite=True)
    with lightning_logging():
        trainer = L.Trainer(
            accelerator=accelerator,
            devices=1,
            max_epochs=settings.epochs,
            gradient_clip_val=settings.clip,
            callbacks=[*callbacks, best, stop],
            logger=TensorBoardLogger(logs.parent, name=logs.name, version="") if logs else False,
            log_every_n_steps=10,
            num_sanity_val_steps=0,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        try:
            trainer.fit(module)
        except SystemExit:  # Lightning's answer to Ctrl-C
            raise FittingError("Interrupted; nothing was written.") from None
    on_epoch(settings.epochs, settings.epochs)
    if best.weights is None:
        raise FittingError("The training diverged: its bound is no longer finite; lower the learning rate.")
    made = copy.deepcopy(vae).cpu()
    made.load_state_dict(best.weights)
    return Fitted(made.eval(), best.epoch, best.loss)


class VaeModule(L.LightningModule):
    """Trains a `Vae`; see `fit`."""

    def __init__(self, vae: Vae, feed: Feed, settings: FitSettings) -> None:
        super().__init__()
        self.vae, self.feed, self.settings = vae, feed, settings
        self.averaged = AveragedModel(vae, multi_avg_fn=self._average)

    @property
    def averaged_vae(self) -> Vae:
        """The model with the averaged weights."""
        made = self.averaged.module
        assert isinstance(made, Vae)
        return made

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW, with a learning rate that falls from epoch to epoch."""
        settings = self.settings
        optimizer = torch.optim.AdamW(
            self.vae.parameters(), settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        fall = torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda epoch: _LAST_RATE + (1 - _LAST_RATE) * 0.5 * (1 + math.cos(math.pi * epoch / settings.epochs)),
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": fall, "interval": "epoch"}}

    def train_dataloader(self) -> DataLoader[Batch]:
        """Give the batches of the next epoch."""
        return DataLoader(_Epochs(self.feed), batch_size=None)

    def val_dataloader(self) -> DataLoader[Any]:
        """Give the held-out data."""
        held_out: Any = list(self.feed.held_out())
        return DataLoader(held_out, batch_size=None)

    def training_step(self, batch: Batch, batch_idx: int) -> STEP_OUTPUT:
        """Bound the likelihood of a batch."""
        x, conditions = batch
        weighing = self.settings.weighing
        beta = weighing.beta_at(self.current_epoch)
        bound = self.vae.bound(x, conditions, random=self._random(self.global_step))
        loss = bound.loss(beta, weighing.free_bits) / x[0].numel()  # nats a value
        self.log_dict(
            {
                "train/negative_elbo": bound.negative_elbo.mean().detach(),
                "train/distortion": bound.distortion.mean().detach(),
                "train/kl": bound.kl.sum(dim=1).mean().detach(),
                "train/beta": beta,
            }
        )
        return loss

    def on_train_batch_end(self, outputs: STEP_OUTPUT, batch: Any, batch_idx: int) -> None:
        """Update the moving average."""
        self.averaged.update_parameters(self.vae)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Bound the likelihood of held-out data, with the averaged weights and the same draws every time."""
        x, conditions = batch
        random = self._random(batch_idx, of=1)
        with whole_signals(self.averaged_vae):
            bounds = [self.averaged_vae.bound(x, conditions, random=random) for _ in range(_DRAWS)]
        figures = {
            HELD_OUT: torch.stack([bound.loss(self.settings.weighing.beta) for bound in bounds]).mean(),
            "held_out/negative_elbo": torch.stack([bound.negative_elbo.mean() for bound in bounds]).mean(),
            "held_out/distortion": torch.stack([bound.distortion.mean() for bound in bounds]).mean(),
            "held_out/kl": torch.stack([bound.kl.sum(dim=1).mean() for bound in bounds]).mean(),
        }
        self.log_dict(figures, batch_size=len(x))

    @torch.no_grad()
    def _average(self, averaged: Any, now: Any, steps: Tensor | int) -> None:
        share = kept_share(self.settings.average, int(steps))
        torch._foreach_lerp_(averaged, now, 1 - share)

    def _random(self, number: int, of: int = 0) -> torch.Generator:
        return generator_for(self.settings.seed, of, number, device=self.device)


class _Epochs(IterableDataset[Batch]):
    """One epoch after the other."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.number = 0

    def __iter__(self) -> Iterator[Batch]:
        self.number += 1
        return self.feed.epoch(self.number - 1)


class _Best(L.Callback):
    """Keeps the averaged weights of the best evaluation."""

    def __init__(self, on_epoch: Callable[[int, int], None]) -> None:
        self.on_epoch = on_epoch
        self.weights: dict[str, Tensor] | None = None
        self.epoch = 0
        self.loss = math.inf

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the weights if they are the best so far."""
        assert isinstance(pl_module, VaeModule)
        done = trainer.current_epoch + 1
        found = float(trainer.callback_metrics[HELD_OUT])
        if found < self.loss:
            self.weights = {
                key: value.detach().cpu().clone() for key, value in pl_module.averaged_vae.state_dict().items()
            }
            self.epoch, self.loss = done, found
        if done < pl_module.settings.epochs:
            self.on_epoch(done, pl_module.settings.epochs)
