"""The variational auto-encoder, for pictures, sounds and spectra, composed of four parts.

The encoder maps data to a normal distribution of latents; the decoder maps a latent to the parameters of a likelihood;
the prior is the distribution of latents. Parts with matching sizes can be combined: an encoder gives two numbers for
each latent (`models.vae.gaussian`), a decoder takes the latents and the features of its conditions
(`models.vae.conditions`), and gives as many numbers as the likelihood takes (`models.vae.likelihoods`). Encoders and
decoders for pictures and sounds are in `models.vae.networks`.

    vae = Vae(
        Dense(64, 20, hidden=(400, 400)), Dense(10, 64, hidden=(400, 400)), Bernoulli(), StandardNormal(10)
    )
    loss = vae.bound(pictures).loss(Weighing(beta=1.0).beta_at(epoch))

Shapes: data `[batch, channels, ...]`; latents `[batch, latent]`, or `[batch, latent, frames]` in a stream.

Source: Kingma and Welling, "Auto-Encoding Variational Bayes" (2013); β after Higgins et al., "beta-VAE" (2017); free
bits after Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow" (2016).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.vae.conditions import Condition, append_conditions
from models.vae.gaussian import Normal
from models.vae.likelihoods import Likelihood
from models.vae.priors import Prior

ROWS_AT_ONCE = 20_000
"""Latents that are decoded at a time for an estimate of the likelihood."""

ConditionValues = Mapping[str, Tensor]
"""Values of the conditions by name: [batch], or [batch, frames] in a stream."""

NO_CONDITIONS: ConditionValues = {}


@dataclass(frozen=True)
class Weighing:
    """The weight of the KL divergence in training.

    Attributes
    ----------
    beta
        Weight: 1 is the bound on the likelihood itself; a larger one makes latents more independent, a smaller one
        makes reconstructions more accurate.
    warmup_epochs
        Number of epochs over which the weight rises from 0, so that latents are used before they are penalised.
    free_bits
        Nats of each latent without a penalty, so that it stays in use.
    """

    beta: float = 1.0
    warmup_epochs: float = 0.0
    free_bits: float = 0.0

    def beta_at(self, epoch: float) -> float:
        """Give the weight after a number of epochs."""
        return self.beta * (min(1.0, epoch / self.warmup_epochs) if self.warmup_epochs > 0 else 1.0)


@dataclass(frozen=True)
class Bound:
    """The bound on the likelihood of data, in its two parts.

    Attributes
    ----------
    distortion : Tensor [shape=(batch,)]
        −log p(data | latent), nats.
    kl : Tensor [shape=(batch, groups)]
        KL divergence of the posterior from the prior, nats, summed over frames; a group is a dimension of the latent if
        those of the prior are independent, else there is one group.
    frames : int
        Frames of a latent; 1 for pictures.
    """

    distortion: Tensor
    kl: Tensor
    frames: int = 1

    @property
    def negative_elbo(self) -> Tensor:
        """Bound on −log p(data), nats, [batch]."""
        return self.distortion + self.kl.sum(dim=1)

    def loss(self, beta: float = 1.0, free: float = 0.0) -> Tensor:
        """Compute the training loss: the distortion plus the weighted KL divergence.

        Parameters
        ----------
        beta
            Weight of the KL divergence; see `Weighing.beta_at`.
        free
            Nats of each group in a frame without a penalty, on average over the batch.

        Returns
        -------
        loss : Tensor [shape=()]
            Nats, mean over the batch.
        """
        kl = self.kl.mean(dim=0)  # [groups]
        return self.distortion.mean() + beta * (kl.clamp(min=free * self.frames) if free > 0 else kl).sum()


class Vae(nn.Module):
    """A VAE of any data.

    Parameters
    ----------
    encoder
        [batch, channels, ...] → [batch, 2 latent, ...]: means, then log-variances.
    decoder
        [batch, latent + features of the conditions, ...] → [batch, values * channels, ...].
    likelihood, prior
        The likelihood of the data, and the prior of the latents.
    conditions
        Conditions of the decoder. The encoder has none: it sees the data, and information in the conditions needn't be
        in the latent.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        likelihood: Likelihood,
        prior: Prior,
        conditions: Sequence[Condition] = (),
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.likelihood, self.prior = likelihood, prior
        self.conditions = tuple(conditions)

    @property
    def latent(self) -> int:
        """Number of latents."""
        return self.prior.latent

    def encode(self, x: Tensor) -> Normal:
        """Encode data [batch, channels, ...] to the posterior of their latents [batch, latent, ...]."""
        return Normal.of(self.encoder(x))

    def draw(self, z: Tensor, given: ConditionValues = NO_CONDITIONS) -> Tensor:
        """Decode: [batch, latent, ...] → parameters of the likelihood, [batch, values * channels, ...]."""
        output: Tensor = self.decoder(append_conditions(self.conditions, given, z))
        return output

    def decode(self, z: Tensor, given: ConditionValues = NO_CONDITIONS) -> Tensor:
        """Decode to the expectation: [batch, latent, ...] → [batch, channels, ...]."""
        return self.likelihood.mean(self.draw(z, given))

    def forward(self, x: Tensor, given: ConditionValues = NO_CONDITIONS) -> Tensor:
        """Reconstruct data [batch, channels, ...]: encode to the mean of the posterior, and decode it."""
        return self.decode(self.encode(x).mean, given)

    def log_likelihood(self, x: Tensor, z: Tensor, given: ConditionValues = NO_CONDITIONS) -> Tensor:
        """Log p(data | latent), nats, [batch]."""
        return self.likelihood.log_prob(x, self.draw(z, given)).flatten(1).sum(dim=1)

    def bound(
        self,
        x: Tensor,
        given: ConditionValues = NO_CONDITIONS,
        *,
        noise: Tensor | None = None,
        random: torch.Generator | None = None,
    ) -> Bound:
        """Compute the bound on the likelihood of data from one draw of their latents.

        Parameters
        ----------
        x : Tensor [shape=(batch, channels, ...)]
        given
            Values of the conditions.
        noise : Tensor [shape=(batch, latent, ...)], optional
            Standard normal; drawn if None.
        random
            Source of random numbers.

        Returns
        -------
        bound : Bound
        """
        posterior = self.encode(x)
        noise = _noise(posterior.mean, random) if noise is None else noise
        z = posterior.draw(noise)  # [batch, latent, ...]
        kl = self.prior.kl(posterior, z, self.encode)  # [batch, groups, ...]
        frames = z[0, 0].numel()
        return Bound(-self.log_likelihood(x, z, given), kl.flatten(2).sum(dim=2) if kl.dim() > 2 else kl, frames)

    @torch.no_grad()
    def sample(
        self, count: int, given: ConditionValues = NO_CONDITIONS, random: torch.Generator | None = None
    ) -> Tensor:
        """Draw latents from the prior, and decode them to the expectation, [count, channels, ...]."""
        return self.decode(self.prior.sample(count, self.encode, random), given)

    def parameter_count(self) -> int:
        """Return the number of trained values."""
        return sum(parameter.numel() for parameter in self.parameters())


@torch.no_grad()
def negative_log_likelihood(
    vae: Vae,
    x: Tensor,
    given: ConditionValues = NO_CONDITIONS,
    *,
    samples: int = 500,
    random: torch.Generator | None = None,
    rows: int = ROWS_AT_ONCE,
) -> Tensor:
    """Estimate −log p(data) by importance sampling; the expectation is an upper bound that tightens with more samples.

    Parameters
    ----------
    vae
        The model, in `eval()`.
    x : Tensor [shape=(batch, channels, ...)]
    given
        Values of the conditions.
    samples
        Draws from the posterior for each example.
    random
        Source of random numbers.
    rows
        Latents that are decoded at a time.

    Returns
    -------
    Tensor [shape=(batch,)]
        Nats: −log mean of p(x | z) p(z) / q(z | x). Source: Burda, Grosse and Salakhutdinov, "Importance Weighted
        Autoencoders" (2016), section 3.
    """
    posterior = vae.encode(x)
    at_once = max(1, rows // len(x))
    log_weights: list[Tensor] = []
    for begin in range(0, samples, at_once):
        count = min(at_once, samples - begin)
        many = posterior.repeat(count)  # [count * batch, latent, ...]
        z = many.draw(_noise(many.mean, random))
        data = x.repeat(count, *[1] * (x.dim() - 1))
        repeated = {name: value.repeat(count, *[1] * (value.dim() - 1)) for name, value in given.items()}
        joint = vae.log_likelihood(data, z, repeated) + vae.prior.log_density(z, vae.encode).reshape(len(z), -1).sum(
            dim=1
        )
        log_weight = joint - many.log_density(z).flatten(1).sum(dim=1)
        log_weights.append(log_weight.reshape(count, len(x)))
    return math.log(samples) - torch.logsumexp(torch.cat(log_weights), dim=0)


def _noise(like: Tensor, random: torch.Generator | None) -> Tensor:
    return torch.randn(like.shape, generator=random, device=like.device)
