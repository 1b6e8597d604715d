from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from models.data.pictures import digits
from models.data.pictures.digits import Splits
from models.digits_vae import checkpoint
from models.digits_vae.checkpoint import TrainedDigits
from models.digits_vae.network import build, conditions_of, digit
from models.digits_vae.previews import DigitsPreviews
from models.digits_vae.settings import MNIST, SMALL, DigitsConfig, preset
from models.digits_vae.train import DigitsFeed, score, train
from models.report.picture_grid import COLUMNS, picture_grid
from models.training.errors import CheckpointError, ConfigError

CONFIG = DigitsConfig(latent=4, hidden=(64,), dropout=0.0)
BRIEF = replace(SMALL, fit=replace(SMALL.fit, epochs=8, learning_rate=5e-3, average=0.9))


@pytest.fixture(scope="module")
def small() -> Splits:
    return digits.small()


@pytest.fixture(scope="module")
def run(small: Splits, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainedDigits, Path]:
    """A short training, and its folder."""
    out = tmp_path_factory.mktemp("digits")
    made = train(small, CONFIG, BRIEF, logs=out / "logs", callbacks=lambda held_out: (DigitsPreviews(held_out, 4),))
    checkpoint.save(made, out / "model.ckpt")
    return made, out


def test_digits_that_were_never_seen_are_known_better_than_without_training(
    run: tuple[TrainedDigits, Path], small: Splits
) -> None:
    found = score(run[0].vae, small.test, samples=50)
    torch.manual_seed(0)
    untrained = score(build(CONFIG).eval(), small.test, samples=50)
    assert found.nll < 0.7 * untrained.nll
    assert found.nll < found.negative_elbo
    assert run[0].data == "scikit-learn's digits"
    assert 0 < run[0].epochs <= 8


def test_judging_looks_at_the_digits_it_is_given_and_is_the_same_twice(
    run: tuple[TrainedDigits, Path], small: Splits
) -> None:
    few = small.test.take(torch.arange(20))
    assert score(run[0].vae, few, samples=20) == score(run[0].vae, few, samples=20)
    turned = replace(few, grey=few.grey.transpose(2, 3))
    assert score(run[0].vae, turned, samples=20).nll > score(run[0].vae, few, samples=20).nll + 2


def test_tensorboard_gets_losses_reconstructions_and_a_plot_of_the_latents(run: tuple[TrainedDigits, Path]) -> None:
    events = EventAccumulator(str(run[1] / "logs"))
    events.Reload()
    assert {"train/negative_elbo", "train/kl", "held_out/loss"} <= set(events.Tags()["scalars"])
    assert set(events.Tags()["images"]) == {
        "digits and what the model makes of them",
        "draws from the prior",
        "latents",
    }
    assert len(events.Images("latents")) >= 2


def test_a_checkpoint_is_read_back_as_it_was(run: tuple[TrainedDigits, Path], small: Splits) -> None:
    made, out = run
    read = checkpoint.load(out)
    assert (read.config, read.data, read.epochs) == (made.config, made.data, made.epochs)
    x = small.test.binary[:5]
    with torch.no_grad():
        assert torch.equal(read.vae(x), made.vae(x))


@pytest.mark.parametrize("kind", ["foreign", "cut", "other size"])
def test_a_file_that_is_no_checkpoint_of_digits_is_refused(
    run: tuple[TrainedDigits, Path], tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "model.ckpt"
    if kind == "foreign":
        torch.save({"kind": "something else", "version": 1}, path)
    elif kind == "cut":
        path.write_bytes((run[1] / "model.ckpt").read_bytes()[:1000])
    else:
        checkpoint.save(replace(run[0], config=replace(run[0].config, latent=9)), path)
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "config",
    [
        replace(CONFIG, network="convolutional", hidden=(8, 8)),
        replace(CONFIG, network="recurrent", hidden=(16,)),
        replace(CONFIG, prior="mixture", components=5),
        replace(CONFIG, prior="vamp", components=5),
        replace(CONFIG, told=True),
    ],
    ids=["convolutional", "recurrent", "mixture", "vamp", "told"],
)
def test_every_kind_trains_is_kept_and_read_back(small: Splits, tmp_path: Path, config: DigitsConfig) -> None:
    few = Splits(small.name, small.train.take(torch.arange(300)), small.test.take(torch.arange(30)))
    made = train(few, config, replace(BRIEF, fit=replace(BRIEF.fit, epochs=2)))
    checkpoint.save(made, tmp_path / "model.ckpt")
    read = checkpoint.load(tmp_path)
    assert read.config == made.config
    assert score(read.vae, few.test, samples=5) == score(made.vae, few.test, samples=5)


def test_a_decoder_conditioned_on_the_digit_draws_that_digit(small: Splits) -> None:
    config = replace(CONFIG, latent=2, told=True)
    made = train(small, config, BRIEF)
    zero, one = (small.train.binary[small.train.labels == number].mean(dim=0) for number in (0, 1))
    with torch.no_grad():
        drawn = made.vae.decode(torch.zeros(2, 2), conditions_of(made.vae, torch.tensor([0, 1])))
    for picture, own, other in ((drawn[0], zero, one), (drawn[1], one, zero)):
        assert float((picture - own).square().sum()) < float((picture - other).square().sum())
    assert digit().control().maximum == 9


def test_an_epoch_has_every_digit_once_with_new_augmentation(small: Splits) -> None:
    vae = build(replace(CONFIG, told=True))
    feed = DigitsFeed(vae, small.train, small.test, replace(SMALL, batch=100))
    first, again, second = (list(feed.epoch(number)) for number in (0, 0, 1))
    assert [len(x) for x, _ in first] == [100] * 14 + [37]
    labels = torch.cat([conditions["digit"] for _, conditions in first])
    assert torch.equal(
        labels.bincount() if labels.dtype == torch.int64 else labels.long().bincount(), small.train.labels.bincount()
    )
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(first, again, strict=True))
    assert not torch.equal(first[0][0], second[0][0])
    assert set(first[0][0].unique().tolist()) == {0.0, 1.0}
    held_out = torch.cat([x for x, _ in feed.held_out()])
    assert torch.equal(held_out, small.test.binary)


def test_digits_that_are_drawn_differently_have_as_much_ink(small: Splits) -> None:
    feed = DigitsFeed(build(CONFIG), small.train, small.test, SMALL)
    drawn = torch.cat([x for x, _ in feed.epoch(0)])
    assert float(drawn.mean()) == pytest.approx(float(small.train.binary.mean()), rel=0.02)


def test_presets_accept_overrides_and_refuse_unknown_networks() -> None:
    config, training = preset(mnist=True, seed=4, latent=40, beta=2.0, epochs=3)
    assert (config.latent, config.hidden) == (40, (400,))
    assert (training.fit.epochs, training.fit.weighing.beta, training.fit.seed) == (3, 2.0, 4)
    assert training.fit.learning_rate == MNIST.fit.learning_rate
    assert preset(mnist=False)[1] == SMALL
    with pytest.raises(ConfigError, match="no network 'deep'"):
        preset(mnist=False, network="deep")
    with pytest.raises(ConfigError, match="no prior 'posh'"):
        preset(mnist=False, prior="posh")
    with pytest.raises(ConfigError, match="dropout"):
        preset(mnist=False, dropout=1.0)


def test_a_vampprior_of_more_parts_than_there_are_digits_is_refused(small: Splits) -> None:
    few = Splits("few", small.train.take(torch.arange(100)), small.test)
    with pytest.raises(ConfigError, match="needs as many digits"):
        train(few, replace(CONFIG, prior="vamp", components=500), BRIEF)


def test_pictures_are_laid_into_rows() -> None:
    made = picture_grid([torch.ones(COLUMNS, 1, 8, 8), torch.zeros(3, 1, 8, 8)])
    assert made.shape == (1, 2 * 9 * 4, COLUMNS * 9 * 4)
    assert float(made[0, 0, 0]) == 1.0
    assert float(made[0, 9 * 4, 0]) == 0.0
    assert float(made[0, 9 * 4, -1]) == 0.5
