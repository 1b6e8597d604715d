"""Which VAE of digits: its settings, and the parts that they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from models.spectral.settings import ConfigError
from models.vae import conditions
from models.vae.conditions import Condition
from models.vae.likelihoods import Bernoulli
from models.vae.networks import Dense, RowDecoder, RowEncoder, picture_decoder, picture_encoder
from models.vae.priors import Mixture, Prior, StandardNormal, VampPrior
from models.vae.vae import Vae

Network = Literal["dense", "convolutional", "recurrent"]
PriorName = Literal["normal", "mixture", "vamp"]
CLASSES = tuple("0123456789")


@dataclass(frozen=True)
class DigitsConfig:
    """What is trained.

    Attributes
    ----------
    shape
        Channels, height and width of a picture.
    latent
        Number of latents.
    network
        Dense layers, convolutions, or recurrent cells over the rows.
    hidden
        Widths of the encoder's layers, which the decoder has the other way round; of recurrent cells there is one.
    dropout
        Share of the values between layers that training leaves out.
    prior
        The standard normal, a learned mixture, or a VampPrior, the latter two of `components` parts.
    told
        Whether the decoder is told which digit it is.
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
        """Refuse what there isn't.

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


def build(config: DigitsConfig, examples: Tensor | None = None) -> Vae:
    """Build an untrained VAE of digits.

    Parameters
    ----------
    config
        Which.
    examples : Tensor [shape=(components, *config.shape)], optional
        Where the made-up data of a VampPrior begin; without them, in plain grey.
    """
    told = (digit(),) if config.told else ()
    encoder, decoder = _networks(config, config.latent + conditions.total_size(told))
    return Vae(encoder, decoder, Bernoulli(), _prior(config, examples), told)


def digit() -> Condition:
    """Which digit the decoder is told."""
    return conditions.one_of("digit", CLASSES)


def told_of(vae: Vae, labels: Tensor) -> dict[str, Tensor]:
    """Give what a VAE of digits must be told of digits with these labels [batch]."""
    return {condition.name: labels.float() for condition in vae.conditions}


def _networks(config: DigitsConfig, inputs: int) -> tuple[nn.Module, nn.Module]:
    shape, outputs, hidden, dropout = config.shape, 2 * config.latent, config.hidden, config.dropout
    if config.network == "dense":
        encoder = Dense(shape, outputs, hidden, dropout=dropout)
        return encoder, Dense(inputs, shape, hidden[::-1], dropout=dropout)
    if config.network == "convolutional":
        convolutions = picture_encoder(shape, outputs, hidden, dropout=dropout)
        return convolutions, picture_decoder(inputs, shape, hidden, dropout=dropout)
    return RowEncoder(shape, outputs, hidden[0]), RowDecoder(inputs, shape, hidden[0])


def _prior(config: DigitsConfig, examples: Tensor | None) -> Prior:
    if config.prior == "normal":
        return StandardNormal(config.latent)
    if config.prior == "mixture":
        return Mixture(config.latent, config.components)
    grey = torch.full((config.components, *config.shape), 0.5)
    return VampPrior(config.latent, grey if examples is None else examples)
