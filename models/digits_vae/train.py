"""Training of a VAE of digits, and its score on digits that it was not trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import torch

from models.data.pictures.augmentation import augment
from models.data.pictures.digits import Digits, Splits, binarise
from models.digits_vae.checkpoint import TrainedDigits
from models.digits_vae.network import build, conditions_of
from models.digits_vae.settings import DigitsConfig, DigitsTraining
from models.training.errors import ConfigError
from models.training.seeding import generator_for
from models.vae.fitting import Batch, fit
from models.vae.vae import Vae, negative_log_likelihood

_EVALUATED_AT_ONCE = 500


@dataclass(frozen=True)
class Score:
    """Negative ELBO, and negative log-likelihood by importance sampling, nats a digit."""

    negative_elbo: float
    nll: float


def train(
    splits: Splits,
    config: DigitsConfig,
    training: DigitsTraining,
    *,
    logs: Path | None = None,
    callbacks: Callable[[Digits], Sequence[L.Callback]] = lambda held_out: (),
    on_epoch: Callable[[int, int], None] = lambda done, total: None,
) -> TrainedDigits:
    """Train a VAE on the training part of some digits.

    Parameters
    ----------
    splits
        The digits; the test set is not used.
    config, training
        Network and training; the shape of the pictures is taken from the digits.
    logs
        Folder for TensorBoard; None writes none.
    callbacks
        Makes further callbacks, given the held-out digits.
    on_epoch
        Called after each epoch with the number of epochs done and the largest number.

    Returns
    -------
    trained : TrainedDigits
        The model at its best evaluation on the held-out digits, in `eval()`.

    Raises
    ------
    ConfigError
        The settings contradict the digits.
    DataError, NetworkError, FittingError
        The digits or the network cannot be used.
    """
    config = dataclasses.replace(config, shape=splits.train.shape)
    rest, held_out = splits.train.part(training.share, training.fit.seed)
    if config.prior == "vamp" and config.components > len(rest):
        raise ConfigError(f"A VampPrior of {config.components} components needs as many digits; there are {len(rest)}.")
    torch.manual_seed(training.fit.seed)
    vae = build(config, rest.binary[: config.components])
    feed = DigitsFeed(vae, rest, held_out, training)
    fitted = fit(vae, feed, training.fit, logs=logs, callbacks=callbacks(held_out), on_epoch=on_epoch)
    return TrainedDigits(fitted.vae, config, splits.name, fitted.epoch)


class DigitsFeed:
    """The batches of an epoch: every digit once, with small random changes."""

    def __init__(self, vae: Vae, rest: Digits, held_out: Digits, training: DigitsTraining) -> None:
        self.vae, self.rest, self.held_out_digits, self.training = vae, rest, held_out, training

    def epoch(self, number: int) -> Iterator[Batch]:
        """Give the training digits in a random order that follows from the number of the epoch."""
        random = generator_for(self.training.fit.seed, number)
        for index in torch.split(torch.randperm(len(self.rest), generator=random), self.training.batch):
            chosen = self.rest.take(index)
            drawn = augment(chosen.grey, self.training.jiggle, random) + self.training.lift
            yield binarise(drawn), conditions_of(self.vae, chosen.labels)

    def held_out(self) -> Iterator[Batch]:
        """Give the digits that were set held_out, as they are."""
        for index in torch.split(torch.arange(len(self.held_out_digits)), _EVALUATED_AT_ONCE):
            chosen = self.held_out_digits.take(index)
            yield chosen.binary, conditions_of(self.vae, chosen.labels)


@torch.no_grad()
def score(vae: Vae, digits: Digits, *, samples: int = 500, seed: int = 0) -> Score:
    """Score a VAE on digits.

    Source of the likelihood: Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders" (2016).

    Parameters
    ----------
    vae
        The model, in `eval()`.
    digits
        The digits.
    samples
        Draws of the latent of each digit.
    seed
        Seed of the draws.

    Returns
    -------
    score : Score
        Means over the digits; the negative ELBO is also averaged over the draws.
    """
    random = torch.Generator().manual_seed(seed)
    bounds, likelihoods = [], []
    for index in torch.split(torch.arange(len(digits)), _EVALUATED_AT_ONCE):
        chosen = digits.take(index)
        x, given = chosen.binary, conditions_of(vae, chosen.labels)
        draws = [vae.bound(x, given, random=random).negative_elbo for _ in range(samples)]
        bounds.append(torch.stack(draws).mean(dim=0))
        likelihoods.append(negative_log_likelihood(vae, x, given, samples=samples, random=random))
    return Score(float(torch.cat(bounds).mean()), float(torch.cat(likelihoods).mean()))
