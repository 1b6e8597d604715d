import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.vae.likelihoods import (
    Bernoulli,
    Discretised,
    DiscretisedGaussian,
    DiscretisedLogistic,
    Gaussian,
    Likelihood,
    LikelihoodError,
)

DISCRETISED = [DiscretisedLogistic, DiscretisedGaussian]


def every_level(likelihood: Discretised) -> torch.Tensor:
    """All levels as the values of one datum, [1, levels]."""
    return torch.linspace(likelihood.low, likelihood.high, likelihood.levels)[None]


def test_the_probabilities_of_one_and_zero_sum_to_one() -> None:
    odds = torch.linspace(-40, 40, 81)[None]
    both = [Bernoulli().log_prob(torch.full_like(odds, x), odds).exp() for x in (0.0, 1.0)]
    assert torch.allclose(torch.stack(both).sum(dim=0), torch.ones_like(odds), atol=1e-6)
    assert torch.allclose(both[1], torch.sigmoid(odds), atol=1e-6)


@pytest.mark.parametrize("kind", DISCRETISED)
@settings(max_examples=60, deadline=None)
@given(middle=st.floats(-4, 4), log_width=st.floats(-12, 3), levels=st.integers(2, 300))
def test_the_probabilities_of_all_levels_sum_to_one(
    kind: type[Discretised], middle: float, log_width: float, levels: int
) -> None:
    likelihood = kind(levels)
    x = every_level(likelihood)
    drawn = torch.cat([torch.full_like(x, middle), torch.full_like(x, log_width)], dim=1)
    total = likelihood.log_prob(x.double(), drawn.double()).exp().sum()
    assert float(total) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("kind", DISCRETISED)
def test_a_level_far_from_the_middle_still_has_a_finite_gradient(kind: type[Discretised]) -> None:
    likelihood = kind(256)
    drawn = torch.tensor([[1.0, 1e3, -1e6, -20.0, -20.0, 40.0]], requires_grad=True)  # middles, then log-widths
    x = torch.tensor([[-1.0, 0.2, 1.0]])
    loss = -likelihood.log_prob(x, drawn).sum()
    loss.backward()
    assert bool(loss.isfinite())
    assert drawn.grad is not None
    assert bool(drawn.grad.isfinite().all())


@pytest.mark.parametrize("kind", DISCRETISED)
def test_a_narrow_bell_is_sure_of_its_level_and_a_wide_one_of_none(kind: type[Discretised]) -> None:
    likelihood = kind(5, 0.0, 4.0)
    sure = likelihood.log_prob(torch.full((1, 1), 2.0), torch.tensor([[2.0, -6.0]]))
    assert float(sure) == pytest.approx(0.0, abs=1e-6)
    beside = likelihood.log_prob(torch.full((1, 1), 1.0), torch.tensor([[2.0, -2.0]]))
    assert float(beside) < -3


@pytest.mark.parametrize("deviation", [0.1, 2.0, None])
def test_the_density_is_that_of_the_normal_distribution(deviation: float | None) -> None:
    torch.manual_seed(0)
    likelihood = Gaussian(deviation)
    x, drawn = torch.randn(3, 2, 7), torch.randn(3, 2 * likelihood.values, 7)
    if deviation is None:
        mean, raw = drawn.chunk(2, dim=1)
        least = math.log(1e-3)
        spread = torch.exp(least + torch.nn.functional.softplus(raw - least))
    else:
        mean, spread = drawn, torch.full_like(drawn, deviation)
    wanted = torch.distributions.Normal(mean, spread).log_prob(x)
    assert torch.allclose(likelihood.log_prob(x, drawn), wanted, atol=1e-4)


def test_a_learned_deviation_has_a_lower_bound() -> None:
    likelihood = Gaussian(least=0.05)
    surest = likelihood.log_prob(torch.zeros(1, 1), torch.tensor([[0.0, -1e4]]))
    assert float(surest) == pytest.approx(-math.log(0.05) - 0.5 * math.log(2 * math.pi), abs=1e-4)


@pytest.mark.parametrize(
    "likelihood", [Bernoulli(), Gaussian(0.3), Gaussian(), DiscretisedLogistic(16), DiscretisedGaussian(16)]
)
def test_draws_have_the_mean_that_is_expected(likelihood: Likelihood) -> None:
    drawn = torch.tensor([0.3, -1.5][: likelihood.values])[None, :, None].expand(1, -1, 20_000)
    made = likelihood.sample(drawn, torch.Generator().manual_seed(0))
    assert made.shape == likelihood.mean(drawn).shape == (1, 1, 20_000)
    assert float(made.mean()) == pytest.approx(float(likelihood.mean(drawn)[0, 0, 0]), abs=0.02)


@pytest.mark.parametrize("kind", DISCRETISED)
def test_draws_are_levels_as_often_as_they_are_probable(kind: type[Discretised]) -> None:
    likelihood = kind(7)
    x = every_level(likelihood)
    one = torch.tensor([[0.2, -1.2]])
    probable = likelihood.log_prob(x.T, one.expand(7, -1)).exp()[:, 0]
    made = likelihood.sample(one[:, :, None].expand(-1, -1, 50_000), torch.Generator().manual_seed(0))
    often = torch.stack([(made - level).abs().lt(1e-4).float().mean() for level in x[0]])
    assert torch.allclose(often, probable, atol=0.01)


@pytest.mark.parametrize(
    "settings_of",
    [
        lambda: Gaussian(0.0),
        lambda: Gaussian(least=0),
        lambda: DiscretisedLogistic(1),
        lambda: DiscretisedGaussian(8, 1.0, -1.0),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings_of: object) -> None:
    with pytest.raises(LikelihoodError):
        settings_of()  # type: ignore[operator]
