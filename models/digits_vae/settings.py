"""Settings of a VAE of digits: network, training, and presets for both sets of digits."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

from models.data.pictures.augmentation import Augmentation
from models.training.errors import ConfigError
from models.vae.fitting import FitSettings
from models.vae.vae import Weighing

Network = Literal["dense", "convolutional", "recurrent"]
PriorName = Literal["normal", "mixture", "vamp"]
CLASSES = tuple("0123456789")


@dataclass(frozen=True)
class DigitsConfig:
    """The network and its prior.

    Attributes
    ----------
    shape
        Channels, height and width of a picture.
    latent
        Number of latents.
    network
        Dense layers, convolutions, or recurrent cells over the rows.
    hidden
        Widths of the encoder's layers, and in reverse order of the decoder's; one value for recurrent cells.
    dropout
        Share of the values between layers that is set to 0 in training.
    prior
        Standard normal, learned mixture, or VampPrior; the latter two have `components` components.
    told
        Whether the decoder is conditioned on the digit.
    """

    shape: tuple[int, int, int] = (1, 8, 8)
    latent: int = 10
    network: Network = "dense"
    hidden: tuple[int, ...] = (400, 400)
    dropout: float = 0.1
    prior: PriorName = "normal"
    components: int = 50
    told: bool = False

    def __post_init__(self) -> None:
        """Check the values.

        Raises
        ------
        ConfigError
            A name is unknown, or a number out of range.
        """
        for what, name, known in (("network", self.network, Network), ("prior", self.prior, PriorName)):
            if name not in get_args(known):
                raise ConfigError(f"There is no {what} '{name}'; there are {', '.join(get_args(known))}.")
        if not self.hidden or min(*self.hidden, self.latent, self.components, *self.shape) < 1:
            raise ConfigError("Digits need at least one layer, one latent and one component, each at least 1 wide.")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"The dropout must be at least 0 and less than 1, not {self.dropout:g}.")


@dataclass(frozen=True)
class DigitsTraining:
    """Settings of a training.

    Attributes
    ----------
    fit
        Epochs, learning rate, weight of the KL divergence.
    batch
        Digits in a step.
    share
        Share of each class of the training digits that is held out for evaluation; the test set is never used.
    jiggle
        Random changes of the digits in each epoch, before they are made black and white.
    lift
        Value that is added to their grey afterwards: interpolation blurs, and would leave strokes thinner.
    """

    fit: FitSettings = field(default_factory=FitSettings)
    batch: int = 100
    share: float = 0.1
    jiggle: Augmentation = field(default_factory=Augmentation)
    lift: float = 0.0


SMALL_WIDTHS = {"dense": (400, 400), "convolutional": (64, 128), "recurrent": (128,)}
MNIST_WIDTHS = {"dense": (400,), "convolutional": (32, 64), "recurrent": (256,)}

SMALL = DigitsTraining(
    fit=FitSettings(
        epochs=250, learning_rate=2e-3, weight_decay=0.05, weighing=Weighing(warmup_epochs=10), average=0.98
    ),
    batch=100,
    jiggle=Augmentation(degrees=4, slant=0.05, resize=0.03, pixels=0.2),
    lift=0.03,
)
"""For scikit-learn's digits: there are few, so each is changed a little in every epoch."""

MNIST = DigitsTraining(
    fit=FitSettings(epochs=100, learning_rate=1e-3, weight_decay=0.0, weighing=Weighing(), average=0.999, patience=10),
    batch=128,
)


def preset(*, mnist: bool, seed: int = 0, **overrides: Any) -> tuple[DigitsConfig, DigitsTraining]:
    """Give the settings for a set of digits, some of them replaced.

    Parameters
    ----------
    mnist
        Whether the digits are MNIST's; if not, scikit-learn's.
    seed
        Seed of all random numbers.
    overrides
        Fields of `DigitsConfig`, `FitSettings` and `Weighing` by name; None leaves them unchanged.

    Returns
    -------
    config : DigitsConfig
        The shape is the default; `train` takes it from the digits.
    training : DigitsTraining

    Raises
    ------
    ConfigError
        A setting is out of range.
    """
    base = MNIST if mnist else SMALL
    given = {name: value for name, value in overrides.items() if value is not None}
    widths = MNIST_WIDTHS if mnist else SMALL_WIDTHS
    config = replace(DigitsConfig(), **_named(given, DigitsConfig))
    if "hidden" not in given:
        config = replace(config, hidden=widths[config.network])
    weighing = replace(base.fit.weighing, **_named(given, Weighing))
    fit = replace(base.fit, **_named(given, FitSettings), weighing=weighing, seed=seed)
    return config, replace(base, fit=fit)


def _named(given: dict[str, Any], kind: type) -> dict[str, Any]:
    """Choose those that are fields of a dataclass."""
    names = {entry.name for entry in fields(kind)}
    return {name: value for name, value in given.items() if name in names}


def config_from_plain(data: dict[str, Any]) -> DigitsConfig:
    """Read what `dataclasses.asdict` gives."""
    return DigitsConfig(**{**data, "shape": tuple(data["shape"]), "hidden": tuple(data["hidden"])})
