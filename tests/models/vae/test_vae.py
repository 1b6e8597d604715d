import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.vae import conditions
from models.vae.conditions import ConditionError
from models.vae.likelihoods import Bernoulli, DiscretisedLogistic, Gaussian, Likelihood
from models.vae.networks import Dense
from models.vae.priors import Mixture, Prior, StandardNormal, VampPrior
from models.vae.vae import Bound, Vae, Weighing, negative_log_likelihood

NOISE = 0.5  # standard deviation of the data around what is decoded


class Linear(nn.Module):
    """A matrix and a constant: [batch, inputs] → [batch, outputs]."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = weight, bias

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight.T + self.bias


def exact_vae(off: float = 0.0) -> tuple[Vae, Tensor]:
    """A linear VAE of five values whose encoder is the true posterior, `off` beside it, and the data's covariance."""
    torch.manual_seed(0)
    directions = torch.linalg.qr(torch.randn(5, 2)).Q * torch.tensor([2.0, 0.7])  # [5, 2], orthogonal
    precision = 1 + directions.square().sum(dim=0) / NOISE**2  # of the posterior, which is diagonal
    to_mean = (directions / NOISE**2 / precision).T
    weight = torch.cat([to_mean, torch.zeros(2, 5)])
    encoder = Linear(weight, torch.cat([torch.full((2,), off), -precision.log()]))
    vae = Vae(encoder, Linear(directions, torch.zeros(5)), Gaussian(NOISE), StandardNormal(2))
    return vae.eval(), directions @ directions.T + NOISE**2 * torch.eye(5)


def exact_nll(x: Tensor, covariance: Tensor) -> Tensor:
    return -torch.distributions.MultivariateNormal(torch.zeros(5), covariance).log_prob(x)


def test_with_the_true_posterior_one_sample_gives_the_likelihood() -> None:
    vae, covariance = exact_vae()
    x = 2 * torch.randn(40, 5)
    for samples in (1, 7):
        found = negative_log_likelihood(vae, x, samples=samples, random=torch.Generator().manual_seed(1))
        assert torch.allclose(found, exact_nll(x, covariance), atol=1e-3)
    bounds = [vae.bound(x, random=torch.Generator().manual_seed(k)).negative_elbo for k in range(3_000)]
    assert torch.allclose(torch.stack(bounds).mean(dim=0), exact_nll(x, covariance), atol=0.15)


def test_with_another_posterior_the_bound_is_above_and_sampling_comes_close() -> None:
    vae, covariance = exact_vae(off=0.3)
    x = torch.randn(20, 5)
    exact = exact_nll(x, covariance)
    random = torch.Generator().manual_seed(0)
    bound = torch.stack([vae.bound(x, random=random).negative_elbo for _ in range(2_000)]).mean(dim=0)
    found = negative_log_likelihood(vae, x, samples=4_000, random=random, rows=500)
    assert bool((bound > exact + 0.2).all())
    assert torch.allclose(found, exact, atol=0.1)


def test_the_estimate_does_not_depend_on_how_many_are_decoded_at_a_time() -> None:
    vae, _ = exact_vae(off=0.3)
    x = torch.randn(6, 5)
    once, parts = (
        negative_log_likelihood(vae, x, samples=32, random=torch.Generator().manual_seed(3), rows=rows)
        for rows in (10_000, 24)
    )
    assert torch.allclose(once, parts, atol=1e-5)


def test_the_weight_of_the_kl_divergence_rises_and_stays() -> None:
    weighing = Weighing(beta=4.0, warmup_epochs=10)
    assert [weighing.beta_at(epoch) for epoch in (0, 5, 10, 50)] == [0, 2, 4, 4]
    assert Weighing(beta=0.5).beta_at(0) == 0.5


def test_the_loss_weighs_the_kl_divergence_and_leaves_free_bits_alone() -> None:
    kl = torch.tensor([[0.1, 3.0], [0.3, 5.0]], requires_grad=True)
    bound = Bound(torch.tensor([10.0, 20.0]), kl)
    assert bound.negative_elbo.tolist() == pytest.approx([13.1, 25.3])
    assert bound.loss().item() == pytest.approx(15 + 0.2 + 4)
    assert bound.loss(2.0).item() == pytest.approx(15 + 2 * 4.2)
    free = bound.loss(1.0, free=0.5)
    assert free.item() == pytest.approx(15 + 0.5 + 4)
    free.backward()
    assert kl.grad is not None
    assert kl.grad[:, 0].tolist() == [0, 0]
    assert bool((kl.grad[:, 1] > 0).all())


def test_free_bits_are_given_to_each_frame() -> None:
    bound = Bound(torch.zeros(1), torch.tensor([[3.0, 30.0]]), frames=10)
    assert float(bound.loss(1.0, free=0.5)) == pytest.approx(5 + 30)


LIKELIHOODS = [Bernoulli(), Gaussian(0.2), Gaussian(), DiscretisedLogistic(16, 0.0, 1.0)]
PRIORS = [StandardNormal(3), Mixture(3, 4), VampPrior(3, torch.rand(4, 1, 4, 4))]


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=lambda part: f"{type(part).__name__} {part.values}")
@pytest.mark.parametrize("prior", PRIORS, ids=lambda part: type(part).__name__)
def test_any_likelihood_trains_with_any_prior(likelihood: Likelihood, prior: Prior) -> None:
    torch.manual_seed(0)
    decoder_conditions = (conditions.one_of("digit", "abc"),)
    decoder = Dense(3 + 3, (likelihood.values, 4, 4), (24,))
    vae = Vae(Dense((1, 4, 4), 6, (24,)), decoder, likelihood, prior, decoder_conditions)
    x = (torch.rand(10, 1, 4, 4) > 0.5).float()
    given = {"digit": torch.arange(10.0) % 3}
    bound = vae.bound(x, given)
    assert bound.distortion.shape == (10,)
    assert bound.kl.shape == (10, prior.groups)
    bound.loss().backward()
    for name, parameter in vae.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all()), name
        assert float(parameter.grad.abs().sum()) > 0, name
    assert vae(x, given).shape == x.shape
    assert vae.sample(10, given).shape == x.shape
    assert negative_log_likelihood(vae, x, given, samples=5).shape == (10,)


def test_training_finds_the_likelihood_of_data_that_a_linear_model_made() -> None:
    torch.manual_seed(0)
    _, covariance = exact_vae()
    data = torch.distributions.MultivariateNormal(torch.zeros(5), covariance)
    vae = Vae(Dense(5, 4, (32,)), Dense(2, 5, ()), Gaussian(NOISE), StandardNormal(2))
    optimizer = torch.optim.Adam(vae.parameters(), 1e-2)
    for _ in range(500):
        optimizer.zero_grad()
        vae.bound(data.sample((200,))).loss().backward()
        optimizer.step()
    x = data.sample((2_000,))
    found = float(negative_log_likelihood(vae.eval(), x, samples=20).mean())
    exact = float(exact_nll(x, covariance).mean())
    assert exact - 0.05 < found < exact + 0.15


def test_a_decoder_depends_on_each_of_its_conditions() -> None:
    torch.manual_seed(0)
    decoder_conditions = (conditions.pitch(), conditions.loudness())
    size = conditions.total_size(decoder_conditions)
    vae = Vae(Dense(6, 4, (8,)), Dense(2 + size, 6, (8,)), Gaussian(1.0), StandardNormal(2), decoder_conditions)
    z, note, level = torch.zeros(2, 2), torch.tensor([60.0, 67.0]), torch.tensor([-20.0, -20.0])
    low, high = vae.decode(z, {"pitch": note, "loudness": level})
    assert float((low - high).abs().max()) > 1e-3
    with pytest.raises(ConditionError, match="needs the condition 'loudness'"):
        vae.decode(z, {"pitch": note})
    with pytest.raises(ConditionError, match="must have the shape"):
        vae.decode(z, {"pitch": note[:1], "loudness": level})


def test_the_first_example_of_the_documents_runs() -> None:
    text = (Path(__file__).parents[3] / "docs" / "vae.md").read_text()
    example = text.split("```python")[1].split("```")[0]
    found: dict[str, Any] = {}
    exec(compile(example.replace("samples=500", "samples=2"), "docs/vae.md", "exec"), found)
    assert found["nats"].shape == (100,)
    assert bool(found["nats"].isfinite().all())


def test_the_log_variance_is_kept_where_it_can_be_computed_with() -> None:
    vae = Vae(
        Linear(torch.zeros(4, 3), torch.tensor([0.0, 0.0, 1e6, -1e6])), nn.Identity(), Gaussian(1.0), StandardNormal(2)
    )
    said = vae.encode(torch.zeros(1, 3))
    assert bool(said.kl_from_standard().isfinite().all())
    assert math.isfinite(float(said.draw(torch.ones(1, 2)).sum()))
