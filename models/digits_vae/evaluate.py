"""Evaluation of a VAE of digits on the test set: its score, and the use and traversal of its latents."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.data.pictures import digits
from models.data.pictures.digits import Digits
from models.digits_vae import checkpoint
from models.digits_vae.checkpoint import TrainedDigits
from models.digits_vae.network import conditions_of
from models.digits_vae.train import score
from models.evaluation.latent_probe import ACTIVE_VARIANCE
from models.files.errors import DataError
from models.report import png_plots as pictures
from models.vae.priors import StandardNormal

SHOWN, REACH = 12, 2.5
MAX_ROWS = 10


@dataclass(frozen=True)
class LatentOfDigits:
    """How a latent dimension is used.

    Attributes
    ----------
    number
        Index in the network, from 0.
    usage
        Variance of the encoder's means.
    active
        Whether that is above `models.evaluation.latent_probe.ACTIVE_VARIANCE`.
    kl
        Mean KL divergence from the prior, nats a digit; None where the prior isn't the standard normal.
    """

    number: int
    usage: float
    active: bool
    kl: float | None


@dataclass(frozen=True)
class DigitsReport:
    """Score of a VAE on some digits, nats a digit: the negative ELBO, and the NLL by importance sampling."""

    data: str
    digits: int
    samples: int
    negative_elbo: float
    nll: float
    latents: tuple[LatentOfDigits, ...]

    @property
    def active_units(self) -> int:
        """Number of latents that the encoder uses."""
        return sum(latent.active for latent in self.latents)

    def to_json(self) -> str:
        """Write it as JSON."""
        return json.dumps({**asdict(self), "active_units": self.active_units}, indent=1)


def evaluate(
    path: str | os.PathLike[str], mnist: str | os.PathLike[str] | None = None, *, samples: int = 500
) -> tuple[TrainedDigits, Digits, DigitsReport]:
    """Evaluate a checkpoint on the test set.

    Parameters
    ----------
    path
        The checkpoint, as `glitch-lab train digits` writes it.
    mnist
        Folder of MNIST's files; None takes scikit-learn's digits.
    samples
        Draws of the latent of each digit.

    Returns
    -------
    trained : TrainedDigits
        The model.
    test : Digits
        The test set.
    report : DigitsReport
        Score on it, and use of each latent.

    Raises
    ------
    CheckpointError
        The file isn't a checkpoint of digits.
    DataError
        The digits cannot be read, or have another size than those of the checkpoint.
    """
    trained = checkpoint.load(path)
    splits = digits.small() if mnist is None else digits.mnist(mnist)
    if splits.test.shape != trained.config.shape:
        wanted, found = ("x".join(map(str, shape[1:])) for shape in (trained.config.shape, splits.test.shape))
        raise DataError(
            f"The model draws digits of {wanted} pixels, and {splits.name} have {found}; give those it is trained on."
        )
    found_nats = score(trained.vae, splits.test, samples=samples)
    report = DigitsReport(
        data=splits.name,
        digits=len(splits.test),
        samples=samples,
        negative_elbo=found_nats.negative_elbo,
        nll=found_nats.nll,
        latents=usage(trained, splits.test),
    )
    return trained, splits.test, report


@torch.no_grad()
def usage(trained: TrainedDigits, test: Digits) -> tuple[LatentOfDigits, ...]:
    """Measure the use of each latent, the strongest first, by KL divergence if the prior is the standard normal."""
    posterior = trained.vae.encode(test.binary)
    variance = posterior.mean.var(dim=0, correction=0)  # [latent]
    plain = isinstance(trained.vae.prior, StandardNormal)
    divergence = posterior.kl_from_standard().mean(dim=0)  # [latent]
    found = []
    for k, spread in enumerate(variance.tolist()):
        nats = float(divergence[k]) if plain else None
        found.append(LatentOfDigits(k, spread, spread > ACTIVE_VARIANCE, nats))
    return tuple(sorted(found, key=lambda one: -(one.usage if one.kl is None else one.kl)))


@torch.no_grad()
def draw(trained: TrainedDigits, test: Digits, report: DigitsReport, path: Path) -> None:
    """Draw digits, their reconstructions, samples of the prior, and a traversal of each of the strongest latents.

    Raises
    ------
    PictureError
        The picture cannot be written.
    """
    vae = trained.vae
    some = test.take(torch.linspace(0, len(test) - 1, SHOWN).long())
    random = torch.Generator().manual_seed(0)
    given = conditions_of(vae, some.labels)
    rows: list[tuple[str, NDArray[np.float32]]] = [
        ("digits", _grey(some.binary)),
        ("come back as", _grey(vae(some.binary, given))),
        ("made up", _grey(vae.sample(SHOWN, given, random))),
    ]
    steps = torch.linspace(-REACH, REACH, SHOWN)
    fixed = conditions_of(vae, some.labels[:1].expand(SHOWN))
    for one in report.latents[:MAX_ROWS]:
        z = vae.encode(some.binary[:1]).mean.repeat(SHOWN, 1)  # the first digit, [shown, latent]
        z[:, one.number] = steps
        rows.append((f"latent {one.number + 1}", _grey(vae.decode(z, fixed))))
    pictures.tiles(path, rows)


def _grey(x: torch.Tensor) -> NDArray[np.float32]:
    """[count, 1, height, width] → [count, height, width]."""
    return np.asarray(x[:, 0].numpy(), np.float32)
