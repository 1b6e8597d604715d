"""Two folders of sounds, one command, a kill in the middle: what comes out plays, and is what it would have been."""

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

from export.format.io import load
from models.checkpoint_export import export
from models.dsp.log_mel import LogMelAnalysis
from models.evaluation.style_metrics import count_matches
from models.files.errors import DataError
from models.training.checkpoint import load_plain
from models.training.errors import ConfigError
from models.training.resume import started
from models.training.run_config import RunConfig
from models.travelgan import checkpoint
from models.travelgan.domain_spectra import Draws, Spectra, of_split, spectrogram
from models.travelgan.finish import finish
from models.travelgan.lightning_module import TravelModule, TravelNetworks
from models.travelgan.settings import from_plain, preset
from models.travelgan.style_evaluation import onsets
from models.travelgan.train import Trained, train
from tests.models.old_names import renamed
from tests.models.travelgan.conftest import TINY

ROOT = Path(__file__).parents[3]
Made = tuple[Path, Trained]


def test_a_killed_training_ends_with_the_weights_of_one_that_was_not(
    trained: Made, domains: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    code = (
        "import sys; from pathlib import Path; from models.travelgan.train import train;"
        "from models.training.run_config import RunConfig;"
        "from tests.models.travelgan.conftest import TINY; a = [Path(p) for p in sys.argv[1:]];"
        "train(a[0], a[1], RunConfig(a[2], accelerator='cpu'), TINY)"
    )
    arguments = [sys.executable, "-c", code, *map(str, (*domains, out))]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(arguments, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        reported = (line for line in process.stdout if " to go " in line)
        next(reported), next(reported)  # the first evaluation is kept by then
        process.kill()
    assert not (out / "model.ckpt").exists()
    stood = int(load_plain(out / "checkpoints" / "last.ckpt")["global_step"])
    assert 0 < stood < TINY.max_steps
    again = train(*domains, RunConfig(out, resume=True, accelerator="cpu"), TINY, show_progress=False)
    assert started(out, from_plain).settings == TINY
    for name, value in trained[1].model.generator.state_dict().items():
        assert torch.equal(value, again.model.generator.state_dict()[name]), name
    with pytest.raises(ConfigError, match="already holds a training"):
        train(*domains, RunConfig(out), TINY, show_progress=False)
    with pytest.raises(ConfigError, match="began with seed = 0, not 1"):
        train(*domains, RunConfig(out, resume=True), replace(TINY, seed=1), show_progress=False)


def test_a_checkpoint_with_the_names_of_older_versions_is_resumed(
    trained: Made, domains: tuple[Path, Path], tmp_path: Path
) -> None:
    today, older = tmp_path / "today", tmp_path / "older"
    for out in (today, older):
        shutil.copytree(trained[0] / "checkpoints", out / "checkpoints")
    last = older / "checkpoints" / "last.ckpt"
    data = load_plain(last)
    data["state_dict"] = renamed(data["state_dict"], {"networks.siamese.embedding.": "networks.siamese.told."})
    torch.save(data, last)
    settings = replace(TINY, max_steps=TINY.max_steps + 2)
    for out in (today, older):
        train(*domains, RunConfig(out, resume=True, accelerator="cpu"), settings, show_progress=False)
    weights = [load_plain(out / "checkpoints" / "last.ckpt")["state_dict"] for out in (today, older)]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_the_file_transforms_its_input_as_the_network_does(trained: Made, tmp_path: Path) -> None:
    from export.format.card import input_samples
    from export.runtime.frame_stepper import FrameStepper
    from export.runtime.onnx_session import session

    out, made = trained
    export(out, tmp_path / "tiny.onnx")
    model, card = load(tmp_path / "tiny.onnx")
    method = card.method("transform")
    assert (method.hop, method.output, method.gives, method.delay) == (4 * 128, "magnitudes", 4, 256 - 128)
    assert method.spectrum == TINY.scale.spectrum
    assert card.latent.size == 0
    assert "no look-ahead" in card.provenance.notes
    assert "parts of 16 and 16 frames" in card.provenance.notes
    sound = 0.1 * np.random.default_rng(0).standard_normal(40 * method.hop).astype(np.float32)
    steps = FrameStepper(session(model.SerializeToString()), card, "transform")
    played = []
    for block in sound.reshape(-1, input_samples(card, "transform")):
        steps.input[:] = block
        steps.run()
        played.append(steps.output[0].copy())
    frames = spectrogram(sound, LogMelAnalysis(TINY.scale))
    with torch.no_grad():
        made.model.generator.train()
        wanted = TINY.scale.to_log_power(made.model.generator(frames[None]))[0].numpy()
        made.model.generator.eval()
    settled = 80  # frames; the stream begins at rest, and not at nothing
    assert np.abs(np.concatenate(played, axis=1) - wanted)[:, settled:].max() < 1e-3


def test_the_page_shows_the_results_of_the_grid(trained: Made) -> None:
    out, made = trained
    files, evaluation = finish(made, TINY, RunConfig(out))
    text = files.report.read_text()
    assert text.count("<audio") >= 2
    assert "onsets that are kept" in text
    assert (out / "pictures" / "step-000010.png").is_file()
    assert 0 <= evaluation.onsets <= 1
    assert evaluation.known > 0.5
    assert files.model is not None
    assert files.model.is_file()


def test_a_checkpoint_round_trips(trained: Made) -> None:
    out, made = trained
    again = checkpoint.load(out)
    assert (again.config, again.scale, again.parts) == (TINY.model, TINY.scale, (16, 16))
    assert again.provenance == made.model.provenance
    assert again.provenance.steps == TINY.max_steps


def test_portions_split_the_batch_and_have_all_losses(trained: Made) -> None:
    torch.manual_seed(0)
    few = replace(TINY, portion=2)
    networks, batch = TravelNetworks(few), Draws(*trained[1].train, few).draw(0)
    whole = TravelModule(few, trained[1].train, trained[1].held_out)
    assert whole.networks.settings.portion == 2
    portions = list(batch.portions(2))
    assert len(portions) == 2
    assert torch.equal(torch.cat([part.source for part in portions]), batch.source)
    for part in portions:
        losses = {whose: loss for whose, loss, _ in networks.losses(part)}
        assert set(losses) == {"discriminator", "generator"}
        assert all(bool(loss.isfinite()) for loss in losses.values())


def test_low_memory_trains(domains: tuple[Path, Path], tmp_path: Path) -> None:
    settings = replace(TINY, portion=2, max_steps=3, check_every=3, stitching=False, gist=0.0)
    made = train(*domains, RunConfig(tmp_path / "low", accelerator="cpu"), settings, show_progress=False)
    assert made.model.parts == (32,)


def test_the_generators_loss_leaves_the_discriminator_where_it_is(trained: Made) -> None:
    torch.manual_seed(0)
    module = TravelModule(TINY, trained[1].train, trained[1].held_out)
    networks, batch = module.networks, Draws(*trained[1].train, TINY).draw(0)
    module.manual_backward = lambda loss, inputs: torch.autograd.backward(loss, inputs=inputs)  # type: ignore
    grads = {}
    for whose, loss, _ in networks.losses(batch):
        networks.zero_grad()
        module._backward(whose, loss)
        grads[whose] = {name.split(".")[0] for name, w in networks.named_parameters() if w.grad is not None}
    assert grads == {"discriminator": {"discriminators"}, "generator": {"generator", "siamese"}}


def test_sounds_that_are_all_too_short_are_an_error(domains: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "short").mkdir()
    for k in range(5):
        soundfile.write(tmp_path / "short" / f"{k}.wav", np.full(800, 0.1), 16_000)
    with pytest.raises(DataError, match="No sound of 'short' lasts 0.06 s"):
        train(domains[0], tmp_path / "short", RunConfig(tmp_path / "out", accelerator="cpu"), TINY)


def test_presets_equal_the_published_settings() -> None:
    halves, thirds = preset("halves"), preset("thirds")
    assert (halves.parts, halves.vector, halves.margin, halves.batch, halves.content) == (2, 1000, 10, 16, 10)
    assert (halves.learning_rate, halves.beta1) == (2e-4, 0.5)
    assert (thirds.parts, thirds.adversarial, thirds.spectral) == (3, "hinge", True)
    assert (thirds.identity, thirds.margin, thirds.vector) == (0.5, 2, 128)
    assert preset("halves", low_memory=True, seed=3).portion == 4
    with pytest.raises(ConfigError, match="no preset 'quarters'; there are halves"):
        preset("quarters")
    with pytest.raises(ConfigError, match="portions of equal size"):
        preset("halves", portion=3)


def test_spectra_are_made_once_and_short_ones_are_masked(domains: tuple[Path, Path], tmp_path: Path) -> None:
    from models.data.open_data import DataRequest, open_data

    sounds = open_data(DataRequest(domains[0]), tmp_path / "low.json").sounds
    reported: list[int] = []
    first = of_split(sounds, "train", TINY.scale, tmp_path / "cache", lambda done, total: reported.append(done))
    again = of_split(sounds, "train", TINY.scale, tmp_path / "cache", lambda done, total: reported.append(done))
    assert reported == list(range(1, len(sounds.of_split("train")) + 1))
    assert all(torch.equal(a, b) for a, b in zip(first.values, again.values, strict=True))
    with pytest.raises(DataError, match="no sounds of the split"):
        of_split(replace(sounds, sounds=sounds.of_split("train")), "held-out", TINY.scale, tmp_path)
    short = Spectra((torch.zeros(32, 10),), ("short",))
    piece, mask = short.window(0, 4, 32)
    assert int(mask.sum()) == 6
    assert float(piece[:, 6:].max()) == -1
    draws = Draws(short, first, TINY)
    once, twice = draws.draw(3), draws.draw(3)
    assert torch.equal(once.source, twice.source)
    assert not torch.equal(once.target, draws.draw(4).target)


def test_onsets_are_found_and_matched() -> None:
    spectrum = torch.full((32, 200), -1.0)
    for start in (20, 60, 130):
        spectrum[4:12, start : start + 30] = 0.5
    found = onsets(spectrum, 100.0)
    np.testing.assert_allclose(found, [0.2, 0.6, 1.3], atol=0.02)
    assert count_matches(found, found + 0.03, 0.05) == 3
    assert count_matches(found, found + 0.2, 0.05) == 0
