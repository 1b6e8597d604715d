"""The network of a VAE of digits, from its settings."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.digits_vae.settings import CLASSES, DigitsConfig
from models.vae import conditions
from models.vae.conditions import Condition
from models.vae.likelihoods import Bernoulli
from models.vae.networks import Dense, RowDecoder, RowEncoder, picture_decoder, picture_encoder
from models.vae.priors import Mixture, Prior, StandardNormal, VampPrior
from models.vae.vae import Vae


def build(config: DigitsConfig, examples: Tensor | None = None) -> Vae:
    """Build an untrained VAE of digits.

    Parameters
    ----------
    config
        The settings.
    examples : Tensor [shape=(components, *config.shape)], optional
        Initial pseudo-inputs of a VampPrior; uniform grey if None.

    Returns
    -------
    vae : Vae
        Its decoder is conditioned on the digit if `config.told` is true.
    """
    digits = (digit(),) if config.told else ()
    encoder, decoder = _networks(config, config.latent + conditions.total_size(digits))
    return Vae(encoder, decoder, Bernoulli(), _prior(config, examples), digits)


def digit() -> Condition:
    """Return the condition that gives the digit to the decoder."""
    return conditions.one_of("digit", CLASSES)


def conditions_of(vae: Vae, labels: Tensor) -> dict[str, Tensor]:
    """Give the conditions of a VAE for digits with these labels [batch]; none if it has no conditions."""
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
