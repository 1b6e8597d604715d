"""The variational auto-encoder: one for pictures, sounds and spectra, made of four parts that are given.

An encoder says where in the latent space the data lie, as a normal distribution; a decoder draws the data from a
latent; a likelihood says what the decoder's numbers mean; a prior says which latents are to be expected. Parts fit if
their sizes do: an encoder gives 2 numbers for each latent (`models.vae.gaussian`), a decoder takes the latents and
what it is told beside them (`models.vae.conditions`), and gives as many numbers as the likelihood wants
(`models.vae.likelihoods`). Encoders and decoders for pictures and sounds lie in `models.vae.networks`.

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

from models.vae.conditions import Condition, tell
from models.vae.gaussian import Normal
from models.vae.likelihoods import Likelihood
from models.vae.priors import Prior

ROWS_AT_ONCE = 20_000
"""Latents that are decoded at a time when a likelihood is estimated."""

Told = Mapping[str, Tensor]
"""Conditions by name: [batch], or [batch, frames] in a stream."""

NOTHING: Told = {}


@dataclass(frozen=True)
class Weighing:
    """How much the KL divergence counts in training.

    Attributes
    ----------
    beta
        Its weight: 1 is the bound on the likelihood itself; more makes latents independent, less makes copies sharp.
    warmup_epochs
        Over so many epochs the weight rises from 0, so that latents are used before they are made to cost something.
    free_bits
        Nats of each latent that cost nothing, so that it isn't given up.
    """

    beta: float = 1.0
    warmup_epochs: float = 0.0
    free_bits: float = 0.0

    def beta_at(self, epoch: float) -> float:
        """Give the weight after so many epochs."""
        return self.beta * (min(1.0, epoch / self.warmup_epochs) if self.warmup_epochs > 0 else 1.0)


@dataclass(frozen=True)
class Bound:
    """The bound on the likelihood of data, in its two parts.

    Attributes
    ----------
    distortion : Tensor [shape=(batch,)]
        −log p(data | latent), nats.
    kl : Tensor [shape=(batch, groups)]
        KL divergence of the encoder's distribution from the prior, nats, summed over frames; a group is a dimension of
        the latent where the prior's are independent, and else there is one.
    frames : int
        Frames that a latent has, 1 in pictures.
    """

    distortion: Tensor
    kl: Tensor
    frames: int = 1

    @property
    def negative_elbo(self) -> Tensor:
        """Bound on −log p(data), nats, [batch]."""
        return self.distortion + self.kl.sum(dim=1)

    def loss(self, beta: float = 1.0, free: float = 0.0) -> Tensor:
        """Give what training makes small: the mean over the batch, [].

        Parameters
        ----------
        beta
            Weight of the KL divergence; see `Weighing.beta_at`.
        free
            Nats that a group has for nothing in a frame, on average over the batch.
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
        What the decoder's numbers mean; which latents are to be expected.
    conditions
        What the decoder is told beside the latent. The encoder isn't: it sees the data, and what the decoder is told
        anyway need not go through the latent.
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
        """Say where data lie: [batch, channels, ...] → [batch, latent, ...]."""
        return Normal.of(self.encoder(x))

    def draw(self, z: Tensor, told: Told = NOTHING) -> Tensor:
        """Decode: [batch, latent, ...] → the likelihood's numbers, [batch, values * channels, ...]."""
        drawn: Tensor = self.decoder(tell(self.conditions, told, z))
        return drawn

    def decode(self, z: Tensor, told: Told = NOTHING) -> Tensor:
        """Decode to what is expected: [batch, latent, ...] → [batch, channels, ...]."""
        return self.likelihood.mean(self.draw(z, told))

    def forward(self, x: Tensor, told: Told = NOTHING) -> Tensor:
        """Encode to the most probable latent and decode that: what the model makes of data."""
        return self.decode(self.encode(x).mean, told)

    def log_likelihood(self, x: Tensor, z: Tensor, told: Told = NOTHING) -> Tensor:
        """log p(data | latent), nats, [batch]."""
        return self.likelihood.log_prob(x, self.draw(z, told)).flatten(1).sum(dim=1)

    def bound(
        self, x: Tensor, told: Told = NOTHING, *, noise: Tensor | None = None, random: torch.Generator | None = None
    ) -> Bound:
        """Bound the likelihood of data by one draw of their latents.

        Parameters
        ----------
        x : Tensor [shape=(batch, channels, ...)]
        told
            The conditions.
        noise : Tensor [shape=(batch, latent, ...)], optional
            Standard normal; else drawn.
        random
            Where it is drawn from.
        """
        posterior = self.encode(x)
        noise = _noise(posterior.mean, random) if noise is None else noise
        z = posterior.draw(noise)  # [batch, latent, ...]
        kl = self.prior.kl(posterior, z, self.encode)  # [batch, groups, ...]
        frames = z[0, 0].numel()
        return Bound(-self.log_likelihood(x, z, told), kl.flatten(2).sum(dim=2) if kl.dim() > 2 else kl, frames)

    @torch.no_grad()
    def sample(self, count: int, told: Told = NOTHING, random: torch.Generator | None = None) -> Tensor:
        """Draw latents from the prior, and decode them to what is expected, [count, channels, ...]."""
        return self.decode(self.prior.sample(count, self.encode, random), told)

    def parameter_count(self) -> int:
        """Number of trained values."""
        return sum(parameter.numel() for parameter in self.parameters())


@torch.no_grad()
def negative_log_likelihood(
    vae: Vae,
    x: Tensor,
    told: Told = NOTHING,
    *,
    samples: int = 500,
    random: torch.Generator | None = None,
    rows: int = ROWS_AT_ONCE,
) -> Tensor:
    """Estimate −log p(data) by importance sampling: from above, on average, and the nearer the more samples there are.

    Parameters
    ----------
    vae
        The model, in `eval()`.
    x : Tensor [shape=(batch, channels, ...)]
    told
        The conditions.
    samples
        Draws from the encoder's distribution for each of the data; more are nearer.
    random
        Where they are drawn from.
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
        asked = {name: value.repeat(count, *[1] * (value.dim() - 1)) for name, value in told.items()}
        joint = vae.log_likelihood(data, z, asked) + vae.prior.log_density(z, vae.encode).reshape(len(z), -1).sum(dim=1)
        log_weight = joint - many.log_density(z).flatten(1).sum(dim=1)
        log_weights.append(log_weight.reshape(count, len(x)))
    return math.log(samples) - torch.logsumexp(torch.cat(log_weights), dim=0)


def _noise(like: Tensor, random: torch.Generator | None) -> Tensor:
    return torch.randn(like.shape, generator=random, device=like.device)
