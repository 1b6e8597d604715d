"""What a VAE believes of its latents before it has seen anything: the priors.

A prior is a distribution over one latent; a stream has one for every frame, each by itself. Where it is not the
standard normal, its KL divergence has no formula and is estimated from the latent that was drawn.

Shapes: a latent is `[batch, latent, ...]`. Whatever is summed over the latent's dimensions is `[batch, ...]`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from export.errors import GlitchError
from models.vae.gaussian import Normal

Encode = Callable[[Tensor], Normal]
"""An encoder: data → the distribution of their latents."""


class PriorError(GlitchError):
    """A prior cannot be had with these settings."""


class Prior(nn.Module):
    """A distribution over latents of `latent` dimensions.

    Attributes
    ----------
    latent : int
    groups : int
        Into how many parts its KL divergence falls apart: one a dimension where they are independent, else 1.
    """

    def __init__(self, latent: int, groups: int) -> None:
        super().__init__()
        self.latent, self.groups = latent, groups

    def log_density(self, z: Tensor, encode: Encode) -> Tensor:
        """Log-density of latents, nats, [batch, ...]; `encode` is the encoder of the model that it belongs to."""
        raise NotImplementedError

    def kl(self, posterior: Normal, z: Tensor, encode: Encode) -> Tensor:
        """KL divergence of what the encoder says from this, or its estimate from the draw `z`: [batch, groups, ...]."""
        said = posterior.log_density(z).sum(dim=1)  # [batch, ...]
        return (said - self.log_density(z, encode))[:, None]

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
        """KL divergence by its formula, [batch, latent, ...]."""
        return posterior.kl_from_standard()

    def sample(self, count: int, encode: Encode, random: torch.Generator | None = None) -> Tensor:
        """Draw latents, [count, latent]."""
        return torch.randn(count, self.latent, generator=random, device=self.unit.device)


class Blend(Prior):
    """A blend of normal distributions, whichever those are; their weights are learned."""

    def __init__(self, latent: int, components: int) -> None:
        if components < 1:
            raise PriorError(f"A prior needs at least 1 component, not {components}.")
        super().__init__(latent, 1)
        self.weights = nn.Parameter(torch.zeros(components))  # before the softmax

    def components(self, encode: Encode) -> Normal:
        """Give the distributions that are blended, [components, latent]."""
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
        """Choose components by their weights, and draw from those, [count, latent]."""
        parts = self.components(encode)
        chosen = torch.multinomial(torch.softmax(self.weights, dim=0), count, replacement=True, generator=random)
        noise = torch.randn(count, self.latent, generator=random, device=parts.mean.device)
        return Normal(parts.mean[chosen], parts.log_variance[chosen]).draw(noise)


class Mixture(Blend):
    """A mixture of normal distributions whose means and deviations are learned.

    Parameters
    ----------
    latent
        Dimensions.
    components
        How many distributions are mixed.
    """

    def __init__(self, latent: int, components: int) -> None:
        super().__init__(latent, components)
        self.mean = nn.Parameter(torch.randn(components, latent))
        self.log_variance = nn.Parameter(torch.zeros(components, latent))

    def components(self, encode: Encode) -> Normal:
        """Give the distributions that are mixed, [components, latent]."""
        return Normal.of(torch.cat([self.mean, self.log_variance], dim=1))


class VampPrior(Blend):
    """What the encoder says of made-up data, which are learned; they go on looking like data, more or less.

    Source: Tomczak and Welling, "VAE with a VampPrior" (2018).

    Parameters
    ----------
    latent
        Dimensions.
    examples : Tensor [shape=(components, channels, ...)]
        Where the made-up data begin: some of the training data. Of a stream the last frame's latent counts, which has
        heard all of it.
    low, high
        Range of the data, which the made-up ones stay in.
    """

    def __init__(self, latent: int, examples: Tensor, low: float = 0.0, high: float = 1.0) -> None:
        if not low < high:
            raise PriorError(f"The range of the data must have low < high, not {low:g} to {high:g}.")
        super().__init__(latent, len(examples))
        self.low, self.high = low, high
        inside = ((examples - low) / (high - low)).clamp(0.05, 0.95)  # of a value at the edge nothing could be learned
        self.data = nn.Parameter(torch.logit(inside))

    def components(self, encode: Encode) -> Normal:
        """Encode the made-up data, [components, latent]."""
        said = encode(self.low + (self.high - self.low) * torch.sigmoid(self.data))
        return Normal(_last(said.mean), _last(said.log_variance))


def _last(values: Tensor) -> Tensor:
    """Give the last frame of a stream, [components, latent, frames], and other latents as they are."""
    return values[:, :, -1] if values.dim() > 2 else values
