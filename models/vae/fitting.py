"""The training of any VAE (`models.vae.vae`), epoch by epoch, until nothing gets better.

What is judged, and kept, is a moving average of the weights: it lies in the middle of where the last steps wander
about. All that is random in a step follows from the seed and the step's number.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.types import STEP_OUTPUT, OptimizerLRScheduler
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, IterableDataset

from export.errors import GlitchError
from export.streaming.layer import whole_signals
from models.training.lightning_logging import quiet
from models.vae.vae import Vae, Weighing

HELD_OUT = "held_out/loss"
_DRAWS = 8  # of each latent when held-out data are judged
_LAST_RATE = 0.02

Batch = tuple[Tensor, dict[str, Tensor]]
"""Data [batch, channels, ...], and the conditions that belong to them."""


class FittingError(GlitchError):
    """A training came to nothing."""


class Feed(Protocol):
    """Where a training's data come from."""

    def epoch(self, number: int) -> Iterator[Batch]:
        """Give the batches of an epoch; the same number gives the same ones."""

    def held_out(self) -> Iterator[Batch]:
        """Give what is only judged by."""


@dataclass(frozen=True)
class FitSettings:
    """How a VAE is trained.

    Attributes
    ----------
    epochs
        At most so many; the learning rate falls as a cosine until then.
    learning_rate, weight_decay
        Of AdamW.
    clip
        Longest gradient.
    weighing
        What the KL divergence costs.
    average
        Share of the moving average of the weights that a step leaves as it is.
    patience
        Training stops when so many epochs in a row have brought nothing on held-out data.
    seed
        Of all that is random.
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
    """What came out of a training.

    Attributes
    ----------
    vae
        As it was when it did best on the held-out data, in `eval()`.
    epoch
        After how many epochs that was.
    loss
        Distortion and weighed KL divergence of the held-out data then, nats: the bound on −log p, where β is 1.
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
        Where it begins; left as the last step leaves it.
    feed
        The data.
    settings
        How.
    logs
        Folder for TensorBoard; None writes none.
    callbacks
        What else is to be done meanwhile.
    accelerator
        What it runs on, as Lightning calls it.
    on_epoch
        Called after each epoch with how many are done and how many there are at most.

    Raises
    ------
    FittingError
        The weights are no longer finite, or training was interrupted.
    """
    L.seed_everything(settings.seed, workers=True, verbose=False)
    module = Fitting(vae, feed, settings)
    best, stop = _Best(on_epoch), EarlyStopping(HELD_OUT, patience=settings.patience, check_finite=True)
    with quiet():
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


class Fitting(L.LightningModule):
    """Trains a `Vae`; see `fit`."""

    def __init__(self, vae: Vae, feed: Feed, settings: FitSettings) -> None:
        super().__init__()
        self.vae, self.feed, self.settings = vae, feed, settings
        self.averaged = AveragedModel(vae, multi_avg_fn=self._average)

    @property
    def judged(self) -> Vae:
        """The model whose weights are averaged."""
        made = self.averaged.module
        assert isinstance(made, Vae)
        return made

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW, with a rate that falls from epoch to epoch."""
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
        """Give the batches of the epoch that comes."""
        return DataLoader(_Epochs(self.feed), batch_size=None)

    def val_dataloader(self) -> DataLoader[Any]:
        """Give what is judged by."""
        held_out: Any = list(self.feed.held_out())
        return DataLoader(held_out, batch_size=None)

    def training_step(self, batch: Batch, batch_idx: int) -> STEP_OUTPUT:
        """Bound the likelihood of a batch."""
        x, told = batch
        weighing = self.settings.weighing
        beta = weighing.beta_at(self.current_epoch)
        bound = self.vae.bound(x, told, random=self._random(self.global_step))
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
        """Move the average."""
        self.averaged.update_parameters(self.vae)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Bound the likelihood of held-out data, with the averaged weights and the same draws every time."""
        x, told = batch
        random = self._random(batch_idx, of=1)
        with whole_signals(self.judged):
            bounds = [self.judged.bound(x, told, random=random) for _ in range(_DRAWS)]
        figures = {
            HELD_OUT: torch.stack([bound.loss(self.settings.weighing.beta) for bound in bounds]).mean(),
            "held_out/negative_elbo": torch.stack([bound.negative_elbo.mean() for bound in bounds]).mean(),
            "held_out/distortion": torch.stack([bound.distortion.mean() for bound in bounds]).mean(),
            "held_out/kl": torch.stack([bound.kl.sum(dim=1).mean() for bound in bounds]).mean(),
        }
        self.log_dict(figures, batch_size=len(x))

    @torch.no_grad()
    def _average(self, averaged: Any, now: Any, steps: Tensor | int) -> None:
        """Move the average towards the weights as they are, by more in the first steps, when it knows little."""
        share = min(self.settings.average, (1 + int(steps)) / (10 + int(steps)))
        torch._foreach_lerp_(averaged, now, 1 - share)

    def _random(self, number: int, of: int = 0) -> torch.Generator:
        seed = np.random.SeedSequence([self.settings.seed, of, number]).generate_state(1, np.uint64)[0]
        return torch.Generator(device=self.device).manual_seed(int(seed >> np.uint64(1)))


class _Epochs(IterableDataset[Batch]):
    """One epoch after the other."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.number = 0

    def __iter__(self) -> Iterator[Batch]:
        self.number += 1
        return self.feed.epoch(self.number - 1)


class _Best(L.Callback):
    """Keeps the averaged weights that did best."""

    def __init__(self, on_epoch: Callable[[int, int], None]) -> None:
        self.on_epoch = on_epoch
        self.weights: dict[str, Tensor] | None = None
        self.epoch = 0
        self.loss = math.inf

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep them."""
        assert isinstance(pl_module, Fitting)
        done = trainer.current_epoch + 1
        found = float(trainer.callback_metrics[HELD_OUT])
        if found < self.loss:
            self.weights = {key: value.detach().cpu().clone() for key, value in pl_module.judged.state_dict().items()}
            self.epoch, self.loss = done, found
        if done < pl_module.settings.epochs:
            self.on_epoch(done, pl_module.settings.epochs)
