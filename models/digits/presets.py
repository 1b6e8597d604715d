"""How digits are trained best, as far as it was tried: settings for the small ones and for MNIST."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from models.data.pictures.augmentation import Jiggle
from models.digits.network import DigitsConfig
from models.digits.train import DigitsTraining
from models.vae.fitting import FitSettings
from models.vae.vae import Weighing

SMALL_WIDTHS = {"dense": (400, 400), "convolutional": (64, 128), "recurrent": (128,)}
MNIST_WIDTHS = {"dense": (400,), "convolutional": (32, 64), "recurrent": (256,)}

SMALL = DigitsTraining(
    fit=FitSettings(
        epochs=250, learning_rate=2e-3, weight_decay=0.05, weighing=Weighing(warmup_epochs=10), average=0.98
    ),
    batch=100,
    jiggle=Jiggle(degrees=4, slant=0.05, resize=0.03, pixels=0.2),
    lift=0.03,
)
"""There are few of them, so each is drawn a little differently every time."""

MNIST = DigitsTraining(
    fit=FitSettings(epochs=100, learning_rate=1e-3, weight_decay=0.0, weighing=Weighing(), average=0.999, patience=10),
    batch=128,
)


def preset(*, mnist: bool, seed: int = 0, **wishes: Any) -> tuple[DigitsConfig, DigitsTraining]:
    """Give settings for a set of digits, with some of them otherwise.

    Parameters
    ----------
    mnist
        Whether they are MNIST's; else scikit-learn's.
    seed
        Of everything that is random.
    wishes
        Fields of `DigitsConfig`, `FitSettings` and `Weighing` by name; None leaves them as they are.

    Raises
    ------
    ConfigError
        A setting is out of range.
    """
    base = MNIST if mnist else SMALL
    given = {name: value for name, value in wishes.items() if value is not None}
    widths = MNIST_WIDTHS if mnist else SMALL_WIDTHS
    config = replace(DigitsConfig(), **_named(given, DigitsConfig))
    if "hidden" not in given:
        config = replace(config, hidden=widths[config.network])
    weighing = replace(base.fit.weighing, **_named(given, Weighing))
    fit = replace(base.fit, **_named(given, FitSettings), weighing=weighing, seed=seed)
    return config, replace(base, fit=fit)


def _named(given: dict[str, Any], kind: type) -> dict[str, Any]:
    """Choose those that a dataclass has fields for."""
    names = {entry.name for entry in fields(kind)}
    return {name: value for name, value in given.items() if name in names}
