"""Priors of a VAE: the distribution of latents.

In a stream the prior applies to each frame independently. The KL divergence from a prior other than the standard normal
has no closed form, and is estimated from the latent that was drawn.

Shapes: a latent is `[batch, latent, ...]`; a sum over its dimensions is `[batch, ...]`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from export.errors import GlitchError
from models.vae.gaussian import Normal

Encode = Callable[[Tensor], Normal]
"""An encoder: data → the posterior of their latents."""


class PriorError(GlitchError):
    """A prior cannot have these settings."""


class Prior(nn.Module):
    """A distribution over latents of `latent` dimensions.

    Attributes
    ----------
    latent : int
    groups : int
        Number of terms of the KL divergence: one for each dimension if they are independent, else 1.
    """

    def __init__(self, latent: int, groups: int) -> None:
        super().__init__()
        self.latent, self.groups = latent, groups

    def log_density(self, z: Tensor, encode: Encode) -> Tensor:
        """Log-density of latents, nats, [batch, ...]; `encode` is the encoder of the model."""
        raise NotImplementedError

    def kl(self, posterior: Normal, z: Tensor, encode: Encode) -> Tensor:
        """KL divergence of a posterior, or its estimate from the draw `z`, nats: [batch, groups, ...]."""
        log_posterior = posterior.log_density(z).sum(dim=1)  # [batch, ...]
        return (log_posterior - self.log_density(z, encode))[:, None]

    def sample(self, count: int, encode: Encode, random: torch.Generator | None = None) -> Tensor:
        """Draw latents, [count, latent]."""
        raise NotImplementedError


class StandardNormal(Prior):
    """Mean 0 and deviation 1 in every dimension."""

    unit: Tensor

    def __init__(self, latent: int) -> None:
        super().__init__(latent, latent)
        self.register_buffer("unit", torch.ones(()), persistent=False)  # knows the device

    def log_density(self, z: Tensor, encode: Encode) -> Tensor:
        """Log-density, nats, [batch, ...]."""
        return -0.5 * (z**2 + math.log(2 * math.pi)).sum(dim=1)

    def kl(self, posterior: Normal, z: Tensor, encode: Encode) -> Tensor:
        """KL divergence in closed form, [batch, latent, ...]."""
        return posterior.kl_from_standard()

    def sample(self, count: int, encode: Encode, random: torch.Generator | None = None) -> Tensor:
        """Draw latents, [count, latent]."""
        return torch.randn(count, self.latent, generator=random, device=self.unit.device)


class NormalMixture(Prior):
    """A mixture of normal distributions with learned weights; subclasses give the components."""

    def __init__(self, latent: int, components: int) -> None:
        if components < 1:
            raise PriorError(f"A prior needs at least 1 component, not {components}.")
        super().__init__(latent, 1)
        self.weights = nn.Parameter(torch.zeros(components))  # before the softmax

    def components(self, encode: Encode) -> Normal:
        """Give the components, [components, latent]."""
        raise NotImplementedError

    def log_density(self, z: Tensor, encode: Encode) -> Tensor:
        """Log-density, nats, [batch, ...]."""
        parts = self.components(encode)
        spread = (1, *parts.mean.shape, *[1] * (z.dim() - 2))
        each = Normal(parts.mean.reshape(spread), parts.log_variance.reshape(spread))
        log_weights = torch.log_softmax(self.weights, dim=0).reshape(1, -1, *[1] * (z.dim() - 2))
        return torch.logsumexp(each.log_density(z[:, None]).sum(dim=2) + log_weights, dim=1)

    @torch.no_grad()
    def sample(self, count: int, encode: Encode, random: torch.Generator | None = None) -> Tensor:
        """Draw components by their weights, and a latent from each, [count, latent]."""
        parts = self.components(encode)
        chosen = torch.multinomial(torch.softmax(self.weights, dim=0), count, replacement=True, generator=random)
        noise = torch.randn(count, self.latent, generator=random, device=parts.mean.device)
        return Normal(parts.mean[chosen], parts.log_variance[chosen]).draw(noise)


class Mixture(NormalMixture):
    """A mixture of normal distributions with learned means and deviations.

    Parameters
    ----------
    latent
        Dimensions.
    components
        Number of components.
    """

    def __init__(self, latent: int, components: int) -> None:
        super().__init__(latent, components)
        self.mean = nn.Parameter(torch.randn(components, latent))
        self.log_variance = nn.Parameter(torch.zeros(components, latent))

    def components(self, encode: Encode) -> Normal:
        """Give the components, [components, latent]."""
        return Normal.of(torch.cat([self.mean, self.log_variance], dim=1))


class VampPrior(NormalMixture):
    """A mixture of the posteriors of learned pseudo-inputs.

    Source: Tomczak and Welling, "VAE with a VampPrior" (2018).

    Parameters
    ----------
    latent
        Dimensions.
    examples : Tensor [shape=(components, channels, ...)]
        Initial pseudo-inputs: some of the training data. Of a stream the posterior of the last frame is used, which
        depends on the whole of it.
    low, high
        Range of the data, and of the pseudo-inputs.
    """

    def __init__(self, latent: int, examples: Tensor, low: float = 0.0, high: float = 1.0) -> None:
        if not low < high:
            raise PriorError(f"The range of the data must have low < high, not {low:g} to {high:g}.")
        super().__init__(latent, len(examples))
        self.low, self.high = low, high
        inside = ((examples - low) / (high - low)).clamp(0.05, 0.95)  # at the edge the gradient would vanish
        self.data = nn.Parameter(torch.logit(inside))

    def components(self, encode: Encode) -> Normal:
        """Encode the pseudo-inputs, [components, latent]."""
        posterior = encode(self.low + (self.high - self.low) * torch.sigmoid(self.data))
        return Normal(_last(posterior.mean), _last(posterior.log_variance))


def _last(values: Tensor) -> Tensor:
    """Give the last frame of a stream [components, latent, frames], and other latents unchanged."""
    return values[:, :, -1] if values.dim() > 2 else values
