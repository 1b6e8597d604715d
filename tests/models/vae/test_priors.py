import pytest
import torch

from models.vae.gaussian import Normal
from models.vae.priors import Mixture, NormalMixture, Prior, PriorError, StandardNormal, VampPrior


def encode(x: torch.Tensor) -> Normal:
    """An encoder of pictures [batch, 1, 2, 2] into two latents."""
    mean = 4 * x.flatten(1)[:, :2] - 2
    return Normal(mean, torch.full_like(mean, -1.0))


def priors() -> list[Prior]:
    torch.manual_seed(0)
    return [StandardNormal(2), Mixture(2, 5), VampPrior(2, torch.rand(5, 1, 2, 2))]


@pytest.mark.parametrize("prior", priors(), ids=lambda prior: type(prior).__name__)
def test_the_density_integrates_to_one(prior: Prior) -> None:
    line = torch.linspace(-9, 9, 361)
    places = torch.cartesian_prod(line, line)
    with torch.no_grad():
        total = prior.log_density(places, encode).exp().sum() * (line[1] - line[0]) ** 2
    assert float(total) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("prior", priors(), ids=lambda prior: type(prior).__name__)
def test_draws_are_as_frequent_as_the_density_says(prior: Prior) -> None:
    # E[log p] over draws of p is minus the entropy, which a grid gives as well.
    line = torch.linspace(-9, 9, 361)
    places = torch.cartesian_prod(line, line)
    with torch.no_grad():
        log_density = prior.log_density(places, encode)
        entropy = -(log_density.exp() * log_density).sum() * (line[1] - line[0]) ** 2
        drawn = prior.sample(40_000, encode, torch.Generator().manual_seed(0))
        measured = -prior.log_density(drawn, encode).mean()
    assert drawn.shape == (40_000, 2)
    assert float(measured) == pytest.approx(float(entropy), abs=0.03)


def test_the_kl_divergence_by_formula_is_the_one_by_draws() -> None:
    torch.manual_seed(0)
    posterior = Normal(torch.tensor([[0.7, -1.2]]), torch.tensor([[-1.0, 0.4]]))
    prior = StandardNormal(2)
    many = posterior.repeat(200_000)
    drawn = many.draw(torch.randn(200_000, 2))
    estimate = Prior.kl(prior, many, drawn, encode).mean()
    assert float(estimate) == pytest.approx(float(prior.kl(posterior, posterior.mean, encode).sum()), abs=0.02)


def test_a_mixture_of_one_standard_normal_is_the_standard_normal() -> None:
    mixture = Mixture(3, 1)
    with torch.no_grad():
        mixture.mean.zero_()
    z = torch.randn(50, 3)
    assert torch.allclose(mixture.log_density(z, encode), StandardNormal(3).log_density(z, encode), atol=1e-5)


@pytest.mark.parametrize("prior", priors(), ids=lambda prior: type(prior).__name__)
def test_every_frame_of_a_stream_is_judged_by_itself(prior: Prior) -> None:
    z = torch.randn(4, 2, 9)
    with torch.no_grad():
        together = prior.log_density(z, encode)
        apart = torch.stack([prior.log_density(z[:, :, k], encode) for k in range(9)], dim=1)
    assert together.shape == (4, 9)
    assert torch.allclose(together, apart, atol=1e-5)
    posterior = Normal(z, torch.zeros_like(z))
    assert prior.kl(posterior, z, encode).shape == (4, prior.groups, 9)


@pytest.mark.parametrize("prior", priors()[1:], ids=lambda prior: type(prior).__name__)
def test_all_of_a_learned_prior_learns(prior: Prior) -> None:
    prior.log_density(torch.randn(30, 2), encode).sum().backward()
    for name, parameter in prior.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().sum()) > 0, name


def test_a_vampprior_begins_with_the_posteriors_of_the_examples() -> None:
    examples = 0.1 + 0.8 * torch.rand(6, 1, 2, 2)
    prior: NormalMixture = VampPrior(2, examples)
    with torch.no_grad():
        assert torch.allclose(prior.components(encode).mean, encode(examples).mean, atol=1e-5)


def test_priors_without_components_or_range_are_refused() -> None:
    with pytest.raises(PriorError, match="at least 1 component"):
        Mixture(2, 0)
    with pytest.raises(PriorError, match="low < high"):
        VampPrior(2, torch.rand(3, 1, 2, 2), 1.0, 1.0)
