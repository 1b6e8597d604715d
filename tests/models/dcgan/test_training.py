"""Trainings of a DCGAN from beginning to end, with a kill in between, and what they leave."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from export.errors import ContractError
from export.format.io import load
from export.proof.file_verification import verify
from models import checkpoint_export
from models.dcgan import checkpoint
from models.dcgan.adversarial_step import AdversarialNetworks
from models.dcgan.domains import PictureDomain, open_domain
from models.dcgan.finish import finish
from models.dcgan.settings import DcganSettings, checked
from models.dcgan.train import train
from models.training.checkpoint import load_plain
from models.training.errors import CheckpointError, ConfigError
from models.training.run_config import RunConfig
from realtime.engine.decoder import Decoder
from tests.models.old_names import renamed
from tests.models.tones import tone

ROOT = Path(__file__).parents[3]
SMALL = DcganSettings(filters=8, batch=64, max_steps=66, average=0.9)
TINY = DcganSettings(latent=20, filters=4, batch=4, shared=6, max_steps=5, average=0.5)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of three epochs of digits."""
    out = tmp_path_factory.mktemp("dcgan") / "digits"
    run = RunConfig(out, accelerator="cpu")
    finish(train("digits", run, SMALL, show_progress=False), run)
    return out


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tones") / "sounds"
    for label, hz in (("low", 220.0), ("high", 880.0)):
        (folder / label).mkdir(parents=True)
        for k in range(5):
            soundfile.write(folder / label / f"{k}.wav", tone(48_000, hz * 2 ** (k / 12), seconds=1.5), 48_000)
    return folder


@pytest.fixture(scope="module")
def endless(tones: Path) -> Path:
    """The folder of a few steps on sounds."""
    out = tones.parent / "endless"
    run = RunConfig(out, accelerator="cpu", command="a test")
    finish(train(str(tones), run, TINY, show_progress=False), run)
    return out


def test_generated_examples_become_similar_to_real_ones() -> None:
    settings = replace(SMALL, learning_rate=2e-3)
    domain = open_domain("digits", settings, Path("none"))
    assert isinstance(domain, PictureDomain)
    networks = AdversarialNetworks(domain, settings)
    before = alike(networks, domain)
    optimizers = networks.optimizers()
    turns = [networks.step(optimizers, k) for k in range(200)]
    assert float(turns[10]["discriminator"]) < float(turns[0]["discriminator"])
    assert abs(before) < 0.4
    assert alike(networks, domain) > 0.85


def alike(networks: AdversarialNetworks, domain: PictureDomain) -> float:
    """Correlation of the mean picture that is made with the mean of the real ones."""
    means = torch.stack(
        [pictures.mean(dim=0).flatten() for pictures in (networks.made(networks.shown_latents()), domain.pictures)]
    )
    return float(torch.corrcoef(means)[0, 1])


def test_every_epoch_leaves_a_picture_of_the_same_latents(digits: Path) -> None:
    pictures = sorted((digits / "epochs").glob("*.png"))
    assert [file.name for file in pictures] == ["00001.png", "00002.png", "00003.png"]
    first, last = (np.asarray(Image.open(pictures[k])) for k in (0, -1))
    assert first.shape == last.shape
    assert not np.array_equal(first, last)
    with Image.open(digits / "epochs.gif") as animation:
        assert animation.n_frames == 3  # type: ignore[attr-defined]
    logs = EventAccumulator(str(digits / "logs")).Reload()
    assert len(logs.Images("the same latents")) == 3
    assert "train/discriminator" in logs.Tags()["scalars"]
    assert "made.png" in (digits / "index.html").read_text()


def test_pictures_are_no_model_file(digits: Path, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="makes pictures"):
        checkpoint_export.export(digits / "model.ckpt", tmp_path / "digits.onnx")


def test_a_killed_training_ends_with_the_weights_of_one_that_was_not(digits: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    program = (
        "from pathlib import Path; from models.dcgan.train import *; "
        "from models.training.run_config import RunConfig; "
        f"settings = DcganSettings(**{vars(SMALL) | {'keep_minutes': 0.0}!r}); "
        f"train('digits', RunConfig(Path({str(out)!r}), accelerator='cpu'), settings)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        env=os.environ | {"LANG": "C", "OMP_NUM_THREADS": "1"},
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # the first epoch is over
        process.kill()
    killed_at = load_plain(out / "checkpoints" / "last.ckpt")["glitch_settings"]["turns"]
    assert 0 < killed_at < SMALL.max_steps
    train("digits", RunConfig(out, resume=True, accelerator="cpu"), SMALL, show_progress=False)
    again, once = checkpoint.load(out), checkpoint.load(digits)
    for name, value in once.generator.state_dict().items():
        assert torch.equal(value, again.generator.state_dict()[name]), name
    assert len(list((out / "epochs").glob("*.png"))) == 3


def test_a_checkpoint_with_the_names_of_older_versions_is_resumed(digits: Path, tmp_path: Path) -> None:
    today, older = tmp_path / "today", tmp_path / "older"
    for out in (today, older):
        shutil.copytree(digits / "checkpoints", out / "checkpoints")
    last = older / "checkpoints" / "last.ckpt"
    data = load_plain(last)
    names = {"networks.discriminator.": "game.judge.", "networks.generator.": "game.generator."}
    names["networks.averaged."] = "game.averaged."
    data["state_dict"] = renamed(data["state_dict"], names)
    torch.save(data, last)
    settings = replace(SMALL, max_steps=SMALL.max_steps + 2)
    for out in (today, older):
        train("digits", RunConfig(out, resume=True, accelerator="cpu"), settings, show_progress=False)
    weights = [load_plain(out / "checkpoints" / "last.ckpt")["state_dict"] for out in (today, older)]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_a_checkpoint_that_contradicts_itself_is_refused(digits: Path, tmp_path: Path) -> None:
    data = load_plain(digits / "model.ckpt")
    changes: list[dict[str, object]] = [
        {"picture": [1, 1 << 20]},
        {"settings": data["settings"] | {"filters": 9}},
        {"weights": {}},
    ]
    for change in changes:
        torch.save(data | change, tmp_path / "model.ckpt")
        with pytest.raises(CheckpointError, match="contradicts itself"):
            checkpoint.load(tmp_path)
    torch.save({"kind": "another"}, tmp_path / "model.ckpt")
    with pytest.raises(CheckpointError, match="not a 'glitch-lab dcgan' checkpoint"):
        checkpoint.load(tmp_path)


def test_another_training_is_neither_overwritten_nor_resumed(digits: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="already holds a training"):
        train("digits", RunConfig(digits, accelerator="cpu"), SMALL, show_progress=False)
    with pytest.raises(ConfigError, match="began with filters = 8"):
        train(
            "digits", RunConfig(digits, resume=True, accelerator="cpu"), replace(SMALL, filters=9), show_progress=False
        )
    with pytest.raises(CheckpointError, match="nothing to resume"):
        train("digits", RunConfig(tmp_path / "none", resume=True, accelerator="cpu"), SMALL, show_progress=False)


@pytest.mark.parametrize(("name", "value"), [("batch", 1), ("filters", 0), ("label_noise", 0.6), ("shared", 101)])
def test_settings_that_cannot_be_are_named(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        checked(replace(DcganSettings(), **{name: value}))  # type: ignore[arg-type]


def test_sounds_become_a_model_that_plays_without_end(endless: Path) -> None:
    model = endless / "endless.onnx"
    assert verify(model).holds
    _, card = load(model)
    decode = card.method("decode")
    assert (decode.hop, decode.gives, card.sample_rate) == (512, 1, 48_000)
    assert [control.name for control in decode.controls] == ["grain"]
    assert decode.spectrum is not None
    assert decode.spectrum.rows == 128
    assert card.latent.size == 20
    assert card.latent.names[card.latent.order[0]] == "texture 1"
    assert len(card.latent.map) == 96
    assert "Chunks of 32 frames, context 6" in card.provenance.notes
    walk = np.cumsum(np.random.default_rng(0).normal(0, 0.1, (20, 320)), axis=1).astype(np.float32)
    audio = Decoder(model).render(walk)
    assert audio.shape == (1, 320 * 512)
    assert np.isfinite(audio).all()
    for part in np.split(audio[0, 8192:], 19):
        assert np.abs(part).max() > 1e-5
    assert "walk-1.wav" in (endless / "index.html").read_text()


def test_without_stitching_chunks_are_judged_alone(tones: Path, tmp_path: Path) -> None:
    out = tmp_path / "alone"
    settings = replace(TINY, stitching=False, bf16=True, max_steps=2)
    run = RunConfig(out, accelerator="cpu")
    result = train(str(tones), run, settings, show_progress=False)
    assert result.domain.length == 32  # type: ignore[union-attr]
    checkpoint_export.export(out, tmp_path / "alone.onnx")
    assert "no context: each made and judged alone" in load(tmp_path / "alone.onnx")[1].provenance.notes
