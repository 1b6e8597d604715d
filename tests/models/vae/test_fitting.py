import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from models.vae.fitting import HELD_OUT, Batch, FitSettings, FittingError, fit
from models.vae.likelihoods import Gaussian
from models.vae.networks import Dense
from models.vae.priors import StandardNormal
from models.vae.vae import Vae, Weighing


class Line:
    """Points along a line in the plane, blurred a little."""

    def __init__(self, spoilt: bool = False) -> None:
        self.spoilt = spoilt
        self.epochs: list[int] = []

    def epoch(self, number: int) -> Iterator[Batch]:
        self.epochs.append(number)
        random = torch.Generator().manual_seed(number)
        for _ in range(5):
            x = torch.randn(64, 1, generator=random) * torch.tensor([[2.0, -1.0]])
            yield (x + 0.1 * torch.randn(64, 2, generator=random)) * (math.nan if self.spoilt else 1.0), {}

    def held_out(self) -> Iterator[Batch]:
        random = torch.Generator().manual_seed(99)
        yield torch.randn(100, 1, generator=random) * torch.tensor([[2.0, -1.0]]), {}


def line_vae() -> Vae:
    torch.manual_seed(0)
    return Vae(Dense(2, 2, (16,)), Dense(1, 2, (16,)), Gaussian(0.1), StandardNormal(1))


SETTINGS = FitSettings(epochs=30, learning_rate=2e-2, average=0.5, weighing=Weighing(warmup_epochs=5))


def test_training_makes_the_held_out_bound_better() -> None:
    feed = Line()
    fitted = fit(line_vae(), feed, SETTINGS)
    untrained = fit(line_vae(), Line(), FitSettings(epochs=1, learning_rate=1e-8))
    assert fitted.loss < 0.1 * untrained.loss
    assert 1 < fitted.epoch <= 30
    assert feed.epochs == list(range(30))
    assert not fitted.vae.training


def test_the_same_seed_gives_the_same_weights_and_another_does_not() -> None:
    first, second, other = (
        fit(line_vae(), Line(), FitSettings(epochs=2, seed=seed)).vae.state_dict() for seed in (0, 0, 1)
    )
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert not all(torch.equal(value, other[name]) for name, value in first.items())


def test_the_best_weights_are_kept() -> None:
    # Steps so long that it gets worse again.
    fitted = fit(line_vae(), Line(), FitSettings(epochs=12, learning_rate=0.3, average=0.0))
    vae, (x, reported) = fitted.vae, next(Line().held_out())
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        again = torch.stack([vae.bound(x, reported, random=random).negative_elbo.mean() for _ in range(100)]).mean()
    assert float(again) == pytest.approx(fitted.loss, rel=0.1)


def test_training_stops_when_nothing_gets_better() -> None:
    feed = Line()
    fit(line_vae(), feed, FitSettings(epochs=50, learning_rate=1e-12, patience=3))
    assert len(feed.epochs) < 10


def test_the_kl_divergence_gets_its_weight_and_losses_are_logged(tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    settings = FitSettings(epochs=4, weighing=Weighing(beta=2.0, warmup_epochs=2))
    fit(line_vae(), Line(), settings, logs=tmp_path / "logs", on_epoch=lambda *now: done.append(now))
    events = EventAccumulator(str(tmp_path / "logs"))
    events.Reload()
    assert {"train/negative_elbo", "train/kl", "train/distortion", HELD_OUT} <= set(events.Tags()["scalars"])
    assert len(events.Scalars(HELD_OUT)) == 4
    assert [event.value for event in events.Scalars("train/beta")] == [1.0, 2.0]  # at steps 9 and 19: epochs 1 and 3
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_diverging_training_is_reported() -> None:
    with pytest.raises(FittingError, match="diverged"):
        fit(line_vae(), Line(spoilt=True), FitSettings(epochs=2))
