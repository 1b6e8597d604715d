"""vae: likelihood of held-out handwritten digits under VAEs, beside simple models of the same digits.

scikit-learn's digits, black from 8 of 16 on, a stratified fifth to test by (seed 0). `{"vae": {"negative_elbo", "nll",
"epochs", "seconds"}, "mixture_prior": {…}, "bernoulli_mixture_nll", "bernoulli_nll", "test_digits", "samples"}`, nats a
digit. The VAE has 10 latents and the settings of `glitch-lab train digits`, the second one a learned mixture as its
prior; both keep the epoch that does best on a tenth of the training digits, and the test digits are used once, at the
end. `nll` is estimated with 500 importance samples. Beside them, fitted to all
training digits: a mixture of 50 Bernoulli distributions, by expectation-maximisation from as many digits, and
independent pixels; the probabilities of both are smoothed by one digit of each kind (Laplace). The quick form trains
for 5 epochs, and has fewer samples.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.support.job import Figures, Job

QUICK_S, FULL_S = 9, 150
COMPONENTS, ROUNDS = 50, 100
SAMPLES, QUICK_SAMPLES = 500, 20
QUICK_EPOCHS = 5


def run(job: Job) -> Figures:
    """Train the VAEs, fit the simple models, and evaluate all."""
    import torch

    from models.data.pictures import digits

    torch.set_num_threads(1)  # at this size threads only wait for each other
    splits = digits.small()
    train = splits.train.binary.flatten(1).numpy().astype(np.float64)
    test = splits.test.binary.flatten(1).numpy().astype(np.float64)
    job.progress("fitting the simple models")
    result: Figures = {
        "bernoulli_mixture_nll": round(_mixture(train, test), 2),
        "bernoulli_nll": round(_independent(train, test), 2),
        "test_digits": len(test),
        "samples": job.choose(QUICK_SAMPLES, SAMPLES),
    }
    for key, prior in (("vae", "normal"), ("mixture_prior", "mixture")):
        job.partial(result)
        job.progress(f"training with a {prior} prior")
        result[key] = _vae(job, prior)
    return result


def describe(result: Figures) -> str:
    """Return a line for each model."""
    lines = [
        f"{name:14s} −ELBO {result[key]['negative_elbo']:6.2f}   NLL {result[key]['nll']:6.2f} nats   "
        f"({result[key]['epochs']} epochs, {result[key]['seconds']:.0f} s)"
        for name, key in (("VAE, z 10", "vae"), ("mixture prior", "mixture_prior"))
    ]
    lines.append(f"mixture of {COMPONENTS} Bernoullis: NLL {result['bernoulli_mixture_nll']:.2f} nats")
    lines.append(f"independent pixels:       NLL {result['bernoulli_nll']:.2f} nats")
    return "\n".join(lines)


def _vae(job: Job, prior: str) -> dict[str, float]:
    from models.data.pictures import digits
    from models.digits_vae.settings import preset
    from models.digits_vae.train import score, train

    splits = digits.small()
    config, training = preset(mnist=False, prior=prior, epochs=job.choose(QUICK_EPOCHS, None))
    began = time.monotonic()
    trained = train(splits, config, training)
    seconds = time.monotonic() - began
    found = score(trained.vae, splits.test, samples=job.choose(QUICK_SAMPLES, SAMPLES))
    return {
        "negative_elbo": round(found.negative_elbo, 2),
        "nll": round(found.nll, 2),
        "epochs": trained.epochs,
        "seconds": round(seconds, 1),
    }


def _independent(train: NDArray[np.float64], test: NDArray[np.float64]) -> float:
    """Return −log p of test digits under independent pixels, nats a digit."""
    ones = _smoothed(train.sum(axis=0), len(train))
    return float(-_log_bernoulli(test, ones[None]).mean())


def _mixture(train: NDArray[np.float64], test: NDArray[np.float64]) -> float:
    """Return −log p of test digits under a mixture that is fitted by expectation-maximisation, nats a digit."""
    rng = np.random.default_rng(0)
    ones = 0.25 + 0.5 * train[rng.choice(len(train), COMPONENTS, replace=False)]  # [components, pixels]
    weights = np.full(COMPONENTS, 1 / COMPONENTS)
    for _ in range(ROUNDS):
        joint = _log_bernoulli(train, ones) + np.log(weights)  # [digits, components]
        share = np.exp(joint - _log_sum(joint)[:, None])
        count = share.sum(axis=0)
        ones = _smoothed(share.T @ train, count[:, None])
        weights = (count + 1) / (count.sum() + COMPONENTS)
    return float(-_log_sum(_log_bernoulli(test, ones) + np.log(weights)).mean())


def _smoothed(ones: NDArray[np.float64], count: NDArray[np.float64] | int) -> NDArray[np.float64]:
    return np.asarray((ones + 1) / (count + 2))


def _log_bernoulli(x: NDArray[np.float64], ones: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log p of digits [digits, pixels] under each row of [components, pixels]: [digits, components]."""
    return np.asarray(x @ np.log(ones).T + (1 - x) @ np.log(1 - ones).T)


def _log_sum(x: NDArray[np.float64]) -> NDArray[np.float64]:
    top = x.max(axis=1)
    return np.asarray(top + np.log(np.exp(x - top[:, None]).sum(axis=1)))
