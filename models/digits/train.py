"""How a VAE of digits is trained, and judged."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import lightning as L
import numpy as np
import torch

from models.data.pictures.augmentation import Jiggle, jiggle
from models.data.pictures.digits import Digits, Splits, binarise
from models.digits.checkpoint import TrainedDigits
from models.digits.network import DigitsConfig, build, told_of
from models.spectral.settings import ConfigError
from models.vae.fitting import Batch, FitSettings, fit
from models.vae.vae import Vae, negative_log_likelihood

_JUDGED_AT_ONCE = 500


@dataclass(frozen=True)
class DigitsTraining:
    """How it is trained.

    Attributes
    ----------
    fit
        Epochs, learning rate, what the KL divergence costs.
    batch
        Digits in a step.
    share
        Of each class of the training digits that is set aside to judge by; no digit of the test set is ever looked at.
    jiggle
        How differently digits are drawn each time, before they are made black and white.
    lift
        What their grey is raised by then: interpolation blurs, and would leave strokes thinner than they were.
    """

    fit: FitSettings = field(default_factory=FitSettings)
    batch: int = 100
    share: float = 0.1
    jiggle: Jiggle = field(default_factory=Jiggle)
    lift: float = 0.0


@dataclass(frozen=True)
class Judged:
    """How well a VAE knows some digits, nats a digit: the bound, and the likelihood by importance sampling."""

    negative_elbo: float
    nll: float


def train(
    splits: Splits,
    config: DigitsConfig,
    training: DigitsTraining,
    *,
    logs: Path | None = None,
    callbacks: Callable[[Digits], Sequence[L.Callback]] = lambda aside: (),
    on_epoch: Callable[[int, int], None] = lambda done, total: None,
) -> TrainedDigits:
    """Train a VAE on the training part of some digits.

    Parameters
    ----------
    splits
        The digits; those to test by are not looked at.
    config, training
        What, and how; the shape of a picture is that of the digits.
    logs
        Folder for TensorBoard; None writes none.
    callbacks
        Makes what else is to be done meanwhile, given the digits that are judged by.
    on_epoch
        Called after each epoch with how many are done and how many there are at most.

    Raises
    ------
    ConfigError, DataError, NetworkError, FittingError
        What is asked for cannot be done; the message says why.
    """
    config = dataclasses.replace(config, shape=splits.train.shape)
    rest, aside = splits.train.part(training.share, training.fit.seed)
    if config.prior == "vamp" and config.components > len(rest):
        raise ConfigError(f"A VampPrior of {config.components} components needs as many digits; there are {len(rest)}.")
    torch.manual_seed(training.fit.seed)
    vae = build(config, rest.binary[: config.components])
    feed = DigitsFeed(vae, rest, aside, training)
    fitted = fit(vae, feed, training.fit, logs=logs, callbacks=callbacks(aside), on_epoch=on_epoch)
    return TrainedDigits(fitted.vae, config, splits.name, fitted.epoch)


class DigitsFeed:
    """The batches of an epoch: every digit once, drawn a little differently."""

    def __init__(self, vae: Vae, rest: Digits, aside: Digits, training: DigitsTraining) -> None:
        self.vae, self.rest, self.aside, self.training = vae, rest, aside, training

    def epoch(self, number: int) -> Iterator[Batch]:
        """Give the training digits in an order of their own."""
        seed = np.random.SeedSequence([self.training.fit.seed, number]).generate_state(1, np.uint64)[0]
        random = torch.Generator().manual_seed(int(seed >> np.uint64(1)))
        for index in torch.split(torch.randperm(len(self.rest), generator=random), self.training.batch):
            chosen = self.rest.take(index)
            drawn = jiggle(chosen.grey, self.training.jiggle, random) + self.training.lift
            yield binarise(drawn), told_of(self.vae, chosen.labels)

    def held_out(self) -> Iterator[Batch]:
        """Give the digits that were set aside, as they are."""
        for index in torch.split(torch.arange(len(self.aside)), _JUDGED_AT_ONCE):
            chosen = self.aside.take(index)
            yield chosen.binary, told_of(self.vae, chosen.labels)


@torch.no_grad()
def judge(vae: Vae, digits: Digits, *, samples: int = 500, seed: int = 0) -> Judged:
    """Measure how well a VAE knows digits.

    Parameters
    ----------
    vae
        The model, in `eval()`.
    digits
        Those that it is judged by.
    samples
        Draws of each digit's latent.
    seed
        Of the draws.
    """
    random = torch.Generator().manual_seed(seed)
    bounds, likelihoods = [], []
    for index in torch.split(torch.arange(len(digits)), _JUDGED_AT_ONCE):
        chosen = digits.take(index)
        x, told = chosen.binary, told_of(vae, chosen.labels)
        draws = [vae.bound(x, told, random=random).negative_elbo for _ in range(samples)]
        bounds.append(torch.stack(draws).mean(dim=0))
        likelihoods.append(negative_log_likelihood(vae, x, told, samples=samples, random=random))
    return Judged(float(torch.cat(bounds).mean()), float(torch.cat(likelihoods).mean()))
