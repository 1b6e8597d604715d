"""What a VAE believes of its data, given what its decoder draws: the likelihoods.

A decoder draws `values` numbers for each value of the data, side by side along the axis of the channels (axis 1). A
likelihood says what they mean: how probable the data are (`log_prob`, nats), what is expected (`mean`), and what it
might look like (`sample`).

Shapes: the data are `[batch, channels, ...]`, what is drawn for them `[batch, values * channels, ...]`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.errors import GlitchError


class LikelihoodError(GlitchError):
    """A likelihood cannot be had with these settings."""


class Likelihood(nn.Module):
    """The distribution of the data, given what the decoder draws.

    Attributes
    ----------
    values : int
        Numbers that a decoder draws for each value of the data.
    """

    values = 1

    def log_prob(self, x: Tensor, drawn: Tensor) -> Tensor:
        """Log-probability, or log-density, of each value of the data: [batch, channels, ...], nats."""
        raise NotImplementedError

    def mean(self, drawn: Tensor) -> Tensor:
        """Give what is expected, [batch, channels, ...]."""
        raise NotImplementedError

    def sample(self, drawn: Tensor, random: torch.Generator | None = None) -> Tensor:
        """Draw data, [batch, channels, ...]."""
        raise NotImplementedError


class Bernoulli(Likelihood):
    """Ones and zeros; a decoder draws log-odds."""

    def log_prob(self, x: Tensor, drawn: Tensor) -> Tensor:
        """Log-probability of zeros and ones; of grey between them, that of a mixture."""
        return -F.binary_cross_entropy_with_logits(drawn, x, reduction="none")

    def mean(self, drawn: Tensor) -> Tensor:
        """Probability of a one."""
        return torch.sigmoid(drawn)

    def sample(self, drawn: Tensor, random: torch.Generator | None = None) -> Tensor:
        """Throw the dice."""
        return torch.bernoulli(self.mean(drawn), generator=random)


class Gaussian(Likelihood):
    """Any real numbers: a decoder draws their means, and their log-variances where those are learned.

    Parameters
    ----------
    deviation
        Standard deviation of all values; None lets the decoder say it for each.
    least
        Smallest deviation that can be learned. Without a bound a decoder that knows its data by heart is infinitely
        sure of them.

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

    def log_prob(self, x: Tensor, drawn: Tensor) -> Tensor:
        """Log-density."""
        log_deviation = self._log_deviation(drawn)
        away = (x - self.mean(drawn)) * torch.exp(-log_deviation)
        return -0.5 * away**2 - log_deviation - 0.5 * math.log(2 * math.pi)

    def mean(self, drawn: Tensor) -> Tensor:
        """Give the mean."""
        return drawn if self.values == 1 else drawn.chunk(2, dim=1)[0]

    def sample(self, drawn: Tensor, random: torch.Generator | None = None) -> Tensor:
        """Add noise to the mean."""
        mean = self.mean(drawn)
        noise = torch.randn(mean.shape, generator=random, device=mean.device)
        return mean + noise * torch.exp(self._log_deviation(drawn))

    def _log_deviation(self, drawn: Tensor) -> Tensor:
        if self.deviation is not None:
            return torch.full((), math.log(self.deviation), device=drawn.device)
        least = math.log(self.least)
        return least + F.softplus(drawn.chunk(2, dim=1)[1] - least)


class Discretised(Likelihood):
    """Whole levels, evenly spread from `low` to `high`: a smooth bell is summed over the bin of each.

    The lowest and the highest bin reach out to infinity, so all levels sum to 1. A decoder draws the middle of the bell
    and the logarithm of its width, both in the data's unit. Source: Kingma et al., "Improving Variational Inference
    with Inverse Autoregressive Flow" (2016), appendix, for the logistic bell.

    Parameters
    ----------
    levels
        How many, 2 at least: 256 for eight bits.
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

    def log_prob(self, x: Tensor, drawn: Tensor) -> Tensor:
        """Log-probability of the level that each value is nearest to."""
        middle, width = self._bell(drawn)
        level = self.quantise(x)
        below = (level - 0.5 * self.step - middle) / width
        above = (level + 0.5 * self.step - middle) / width
        inside = self.log_between(below, above)
        lowest, highest = level < self.low + 0.5 * self.step, level > self.high - 0.5 * self.step
        return torch.where(lowest, self.log_below(above), torch.where(highest, self.log_below(-below), inside))

    def mean(self, drawn: Tensor) -> Tensor:
        """Give the middle of the bell, within the levels' range."""
        return drawn.chunk(2, dim=1)[0].clamp(self.low, self.high)

    def sample(self, drawn: Tensor, random: torch.Generator | None = None) -> Tensor:
        """Draw from the bell, and take the nearest level."""
        middle, width = self._bell(drawn)
        share = torch.rand(middle.shape, generator=random, device=middle.device).clamp(1e-6, 1 - 1e-6)
        return self.quantise(middle + width * self.place_of(share))

    def quantise(self, x: Tensor) -> Tensor:
        """Take the nearest level."""
        number = torch.round((x - self.low) / self.step).clamp(0, self.levels - 1)
        return self.low + number * self.step

    def log_below(self, place: Tensor) -> Tensor:
        """Logarithm of the bell's share below a place, which is given in its own width; it is symmetric."""
        raise NotImplementedError

    def log_between(self, below: Tensor, above: Tensor) -> Tensor:
        """Logarithm of the bell's share between two places."""
        raise NotImplementedError

    def place_of(self, share: Tensor) -> Tensor:
        """Undo `log_below`: the place below which such a share of the bell lies."""
        raise NotImplementedError

    def _bell(self, drawn: Tensor) -> tuple[Tensor, Tensor]:
        middle, log_width = drawn.chunk(2, dim=1)
        narrowest, widest = math.log(0.01 * self.step), math.log(100 * (self.high - self.low))
        return middle, torch.exp(log_width.clamp(narrowest, widest))


class DiscretisedLogistic(Discretised):
    """Levels under the logistic bell, whose tails are heavier: σ is the share below a place."""

    def log_below(self, place: Tensor) -> Tensor:
        """log σ(place)."""
        return F.logsigmoid(place)

    def log_between(self, below: Tensor, above: Tensor) -> Tensor:
        """log(σ(b) − σ(a)), by σ(b) − σ(a) = σ(b) σ(−a) (1 − e^(a − b)), where nothing is lost to rounding."""
        return F.logsigmoid(above) + F.logsigmoid(-below) + torch.log(-torch.expm1((below - above).clamp(max=-1e-6)))

    def place_of(self, share: Tensor) -> Tensor:
        """Log-odds."""
        return torch.logit(share)


class DiscretisedGaussian(Discretised):
    """Levels under the normal bell: Φ is the share below a place."""

    def log_below(self, place: Tensor) -> Tensor:
        """log Φ(place)."""
        return torch.special.log_ndtr(place)

    def log_between(self, below: Tensor, above: Tensor) -> Tensor:
        """log(Φ(b) − Φ(a)), taken from the side where both are small, and so their difference is exact."""
        right = below + above > 0
        low, high = torch.where(right, -above, below), torch.where(right, -below, above)
        log_high = torch.special.log_ndtr(high)
        ratio = torch.special.log_ndtr(low) - log_high  # below 0
        return log_high + torch.log(-torch.expm1(ratio.clamp(max=-1e-6)))

    def place_of(self, share: Tensor) -> Tensor:
        """Φ⁻¹(share)."""
        return torch.special.ndtri(share)
