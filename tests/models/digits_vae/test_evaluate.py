"""The evaluation of a VAE of digits."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.cli import main
from models.data.pictures import digits
from models.digits_vae import checkpoint, evaluate
from models.digits_vae.checkpoint import TrainedDigits
from models.digits_vae.network import build
from models.digits_vae.settings import DigitsConfig
from models.files.errors import DataError
from models.vae.vae import Vae

CONFIG = DigitsConfig(latent=4, hidden=(48,), dropout=0.0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose encoder says much, and whose decoder has learned nothing."""
    torch.manual_seed(0)
    vae = build(CONFIG).eval()
    with torch.no_grad():
        last_layer(vae).weight[:4] *= 3
    out = tmp_path_factory.mktemp("digits") / "model.ckpt"
    checkpoint.save(TrainedDigits(vae, CONFIG, "scikit-learn's digits", 1), out)
    return out


def last_layer(vae: Vae) -> torch.nn.Linear:
    return [module for module in vae.encoder.modules() if isinstance(module, torch.nn.Linear)][-1]


def test_a_report_has_the_likelihood_and_says_how_each_latent_is_used(trained: Path) -> None:
    _, test, report = evaluate.evaluate(trained, samples=20)
    assert report.digits == len(test) == 360
    assert report.nll < report.negative_elbo
    assert len(report.latents) == 4
    nats = [one.kl for one in report.latents if one.kl is not None]
    assert nats == sorted(nats, reverse=True)
    assert report.active_units >= 1
    assert json.loads(report.to_json())["active_units"] == report.active_units


def test_a_latent_without_information_is_idle(trained: Path) -> None:
    made = checkpoint.load(trained)
    with torch.no_grad():
        last = last_layer(made.vae)
        for row in (2, 2 + 4):  # mean and log-variance of latent 3
            last.weight[row] = 0
            last.bias[row] = 0
    *_, weakest = evaluate.usage(made, digits.small().test)
    assert (weakest.number, weakest.active) == (2, False)
    assert weakest.kl == pytest.approx(0, abs=1e-6)
    usage = evaluate.usage(
        replace(made, vae=build(replace(CONFIG, prior="mixture", components=3))), digits.small().test
    )
    assert {one.kl for one in usage} == {None}  # there is no formula


def test_the_command_evaluates_a_checkpoint_of_digits_and_draws_it(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evaluate.evaluate, "__kwdefaults__", {"samples": 5})
    monkeypatch.setattr(sys, "argv", ["glitch-lab", "evaluate", str(trained), "--out", str(tmp_path / "page")])
    with pytest.raises(SystemExit) as caught:
        main()
    assert not caught.value.code
    assert "360 of scikit-learn's digits that it never saw: -ELBO " in capsys.readouterr().out
    assert (tmp_path / "page" / "digits.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "page" / "report.json").read_text())["digits"] == 360


def test_digits_of_another_size_are_refused(tmp_path: Path) -> None:
    config = replace(CONFIG, shape=(1, 28, 28))
    checkpoint.save(TrainedDigits(build(config), config, "MNIST", 1), tmp_path / "model.ckpt")
    with pytest.raises(DataError, match="draws digits of 28x28 pixels"):
        evaluate.evaluate(tmp_path / "model.ckpt")
