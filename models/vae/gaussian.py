"""The diagonal normal distribution of a latent, as an encoder gives it.

Shapes: the latent's axis is `dim`, 1 by default, so that `[batch, latent]` is one latent for the whole of a picture and
`[batch, latent, frames]` a stream of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

LOG_VARIANCES = (-12.0, 6.0)
"""Range of the logarithm of a variance; beyond it gradients vanish and exponentials overflow."""


@dataclass(frozen=True)
class Normal:
    """A normal distribution whose dimensions are independent.

    Attributes
    ----------
    mean, log_variance : Tensor [shape=(batch, latent, ...)]
    """

    mean: Tensor
    log_variance: Tensor

    @classmethod
    def of(cls, drawn: Tensor, dim: int = 1) -> Normal:
        """Split a network's output [batch, 2 latent, ...] into means and log-variances."""
        mean, log_variance = drawn.chunk(2, dim=dim)
        return cls(mean, log_variance.clamp(*LOG_VARIANCES))

    def draw(self, noise: Tensor) -> Tensor:
        """Draw from the distribution, with gradients.

        Source: Kingma and Welling, "Auto-Encoding Variational Bayes" (2013), section 2.4.

        Parameters
        ----------
        noise : Tensor [shape=(batch, latent, ...)]
            Standard normal.

        Returns
        -------
        z : Tensor [shape=(batch, latent, ...)]
        """
        return self.mean + noise * torch.exp(0.5 * self.log_variance)

    def log_density(self, value: Tensor) -> Tensor:
        """Log-density of each dimension, nats, [batch, latent, ...]."""
        square = (value - self.mean) ** 2 * torch.exp(-self.log_variance)
        return -0.5 * (square + self.log_variance + math.log(2 * math.pi))

    def kl_from_standard(self) -> Tensor:
        """Compute the KL divergence of each dimension from the standard normal.

        Source: Kingma and Welling (2013), appendix B.

        Returns
        -------
        kl : Tensor [shape=(batch, latent, ...)]
            Nats, 0 or more.
        """
        return 0.5 * (self.mean**2 + self.log_variance.exp() - 1 - self.log_variance)

    def repeat(self, times: int) -> Normal:
        """Repeat it `times` along the batch."""
        shape = (times, *[1] * (self.mean.dim() - 1))
        return Normal(self.mean.repeat(shape), self.log_variance.repeat(shape))
