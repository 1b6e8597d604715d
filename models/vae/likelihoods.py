"""Likelihoods of a VAE: the distribution of the data, given the decoder's output.

A decoder gives `values` numbers for each value of the data, along the axis of the channels (axis 1). A likelihood
interprets them: the log-probability of data (`log_prob`, nats), their expectation (`mean`), and draws (`sample`).

    Bernoulli()                 black and white pictures, as in `models.digits_vae`
    Gaussian(0.1)               sound and other real numbers, with a fixed deviation
    Gaussian()                  the same, with a learned deviation for each value
    DiscretisedLogistic(256)    eight-bit pictures or samples
    DiscretisedGaussian(256)    the same, with lighter tails

Shapes: the data are `[batch, channels, ...]`, the decoder's output `[batch, values * channels, ...]`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.errors import GlitchError


class LikelihoodError(GlitchError):
    """A likelihood cannot have these settings."""


class Likelihood(nn.Module):
    """The distribution of the data, given the decoder's output.

    Attributes
    ----------
    values : int
        Numbers that a decoder gives for each value of the data.
    """

    values = 1

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        """Log-probability, or log-density, of each value of the data: [batch, channels, ...], nats."""
        raise NotImplementedError

    def mean(self, output: Tensor) -> Tensor:
        """Compute the expectation of the data, [batch, channels, ...]."""
        raise NotImplementedError

    def sample(self, output: Tensor, random: torch.Generator | None = None) -> Tensor:
        """Draw data, [batch, channels, ...]."""
        raise NotImplementedError


class Bernoulli(Likelihood):
    """Ones and zeros; a decoder gives log-odds."""

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        """Log-probability of zeros and ones; of values between them, the weighted mean of both."""
        return -F.binary_cross_entropy_with_logits(output, x, reduction="none")

    def mean(self, output: Tensor) -> Tensor:
        """Probability of a one."""
        return torch.sigmoid(output)

    def sample(self, output: Tensor, random: torch.Generator | None = None) -> Tensor:
        """Draw ones and zeros."""
        return torch.bernoulli(self.mean(output), generator=random)


class Gaussian(Likelihood):
    """Real numbers; a decoder gives their means, and their deviations if those are learned.

    Parameters
    ----------
    deviation
        Standard deviation of all values; None learns one for each value.
    least
        Smallest deviation that can be learned. Without it, the density of a decoder that reproduces its training data
        exactly would be unbounded.

    Raises
    ------
    LikelihoodError
        A deviation isn't above 0.
    """

    def __init__(self, deviation: float | None = None, *, least: float = 1e-3) -> None:
        super().__init__()
        if not (deviation is None or deviation > 0) or not least > 0:
            raise LikelihoodError(f"A deviation must be above 0, not {deviation if least > 0 else least}.")
        self.deviation, self.least = deviation, least
        self.values = 2 if deviation is None else 1

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        """Log-density."""
        log_deviation = self._log_deviation(output)
        away = (x - self.mean(output)) * torch.exp(-log_deviation)
        return -0.5 * away**2 - log_deviation - 0.5 * math.log(2 * math.pi)

    def mean(self, output: Tensor) -> Tensor:
        """Return the mean."""
        return output if self.values == 1 else output.chunk(2, dim=1)[0]

    def sample(self, output: Tensor, random: torch.Generator | None = None) -> Tensor:
        """Add noise to the mean."""
        mean = self.mean(output)
        noise = torch.randn(mean.shape, generator=random, device=mean.device)
        return mean + noise * torch.exp(self._log_deviation(output))

    def _log_deviation(self, output: Tensor) -> Tensor:
        if self.deviation is not None:
            return torch.full((), math.log(self.deviation), device=output.device)
        least = math.log(self.least)
        return least + F.softplus(output.chunk(2, dim=1)[1] - least)


class Discretised(Likelihood):
    """Discrete levels, evenly spaced from `low` to `high`: a continuous density is integrated over the bin of each.

    The lowest and the highest bin extend to infinity, so that the probabilities of all levels sum to 1. A decoder gives
    the location of the density and the logarithm of its scale, both in the data's unit.

    Source: Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow" (2016), appendix, for the
    logistic density.

    Parameters
    ----------
    levels
        Number of levels, at least 2: 256 for eight bits.
    low, high
        The lowest and the highest level.

    Raises
    ------
    LikelihoodError
        There are fewer than two levels, or `low` isn't below `high`.
    """

    values = 2

    def __init__(self, levels: int = 256, low: float = -1.0, high: float = 1.0) -> None:
        super().__init__()
        if levels < 2 or not low < high:
            raise LikelihoodError(
                f"Discretised data need at least 2 levels and low < high, not {levels} from {low:g} to {high:g}."
            )
        self.levels, self.low, self.high = levels, low, high
        self.step = (high - low) / (levels - 1)

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        """Log-probability of the level nearest to each value."""
        location, scale = self._location_and_scale(output)
        level = self.quantise(x)
        below = (level - 0.5 * self.step - location) / scale
        above = (level + 0.5 * self.step - location) / scale
        inside = self.log_between(below, above)
        lowest, highest = level < self.low + 0.5 * self.step, level > self.high - 0.5 * self.step
        return torch.where(lowest, self.log_below(above), torch.where(highest, self.log_below(-below), inside))

    def mean(self, output: Tensor) -> Tensor:
        """Location of the density, limited to the range of the levels."""
        return output.chunk(2, dim=1)[0].clamp(self.low, self.high)

    def sample(self, output: Tensor, random: torch.Generator | None = None) -> Tensor:
        """Draw from the density, and round to the nearest level."""
        location, scale = self._location_and_scale(output)
        share = torch.rand(location.shape, generator=random, device=location.device).clamp(1e-6, 1 - 1e-6)
        return self.quantise(location + scale * self.place_of(share))

    def quantise(self, x: Tensor) -> Tensor:
        """Round to the nearest level."""
        number = torch.round((x - self.low) / self.step).clamp(0, self.levels - 1)
        return self.low + number * self.step

    def log_below(self, place: Tensor) -> Tensor:
        """Logarithm of the cumulative distribution at a place, in units of the scale; the density is symmetric."""
        raise NotImplementedError

    def log_between(self, below: Tensor, above: Tensor) -> Tensor:
        """Logarithm of the probability between two places."""
        raise NotImplementedError

    def place_of(self, share: Tensor) -> Tensor:
        """Quantile function: the place below which this share of the probability is."""
        raise NotImplementedError

    def _location_and_scale(self, output: Tensor) -> tuple[Tensor, Tensor]:
        location, log_scale = output.chunk(2, dim=1)
        narrowest, widest = math.log(0.01 * self.step), math.log(100 * (self.high - self.low))
        return location, torch.exp(log_scale.clamp(narrowest, widest))


class DiscretisedLogistic(Discretised):
    """Levels with a logistic density, which has heavier tails; its cumulative distribution is σ."""

    def log_below(self, place: Tensor) -> Tensor:
        """Log σ(place)."""
        return F.logsigmoid(place)

    def log_between(self, below: Tensor, above: Tensor) -> Tensor:
        """log(σ(b) − σ(a)), by σ(b) − σ(a) = σ(b) σ(−a) (1 − e^(a − b)), which avoids cancellation."""
        return F.logsigmoid(above) + F.logsigmoid(-below) + torch.log(-torch.expm1((below - above).clamp(max=-1e-6)))

    def place_of(self, share: Tensor) -> Tensor:
        """Log-odds."""
        return torch.logit(share)


class DiscretisedGaussian(Discretised):
    """Levels with a normal density; its cumulative distribution is Φ."""

    def log_below(self, place: Tensor) -> Tensor:
        """Log Φ(place)."""
        return torch.special.log_ndtr(place)

    def log_between(self, below: Tensor, above: Tensor) -> Tensor:
        """log(Φ(b) − Φ(a)), computed in the tail where both are small, which avoids cancellation."""
        right = below + above > 0
        low, high = torch.where(right, -above, below), torch.where(right, -below, above)
        log_high = torch.special.log_ndtr(high)
        ratio = torch.special.log_ndtr(low) - log_high  # below 0
        return log_high + torch.log(-torch.expm1(ratio.clamp(max=-1e-6)))

    def place_of(self, share: Tensor) -> Tensor:
        """Φ⁻¹(share)."""
        return torch.special.ndtri(share)
