import io
import json
import re
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.utilities.types import STEP_OUTPUT
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from models.data import folder, manifest
from models.data.manifest import Manifest
from models.files.errors import DataError
from models.spectral_vae import checkpoint, latent_measurement
from models.spectral_vae.checkpoint import Trained
from models.spectral_vae.frame_store import FrameStore
from models.spectral_vae.lightning_module import SpectralModule
from models.spectral_vae.network import VaeConfig
from models.spectral_vae.train import Data, train
from models.training.callbacks.progress_line import ProgressLine
from models.training.checkpoint import FILE_NAME, load_plain
from models.training.errors import CheckpointError, ConfigError, TrainingError
from models.training.frame_vae.sound_segments import Draw
from models.training.latent_stats import note_name
from models.training.run_config import RunConfig
from tests.models.conftest import SMALL


def run_into(out: Path, cache: Path, *, resume: bool = False) -> RunConfig:
    return RunConfig(out, cache, resume, accelerator="cpu")


def kept_step(out: Path) -> int:
    """The step of the checkpoint to resume from."""
    return int(load_plain(out / "checkpoints" / "last.ckpt")["global_step"])


def events(out: Path) -> EventAccumulator:
    found = EventAccumulator(str(out / "logs"))
    found.Reload()
    return found


def test_training_lowers_the_loss_on_sounds_it_never_saw(training: tuple[Path, Trained]) -> None:
    losses = [event.value for event in events(training[0]).Scalars("held_out/loss")]
    assert len(losses) == 2
    assert losses[-1] < 0.9 * losses[0]


def test_tensorboard_gets_losses_pictures_and_sound(training: tuple[Path, Trained]) -> None:
    tags = events(training[0]).Tags()
    assert {"train/loss", "train/kl", "train/beta", "held_out/mel_db"} <= set(tags["scalars"])
    assert len(tags["images"]) == 5
    assert "latent/map" in tags["images"]
    assert set(tags["histograms"]) == {f"latent/{k}" for k in range(1, 5)}
    assert len(tags["audio"]) == 8


def test_a_resumed_training_ends_with_the_same_weights(
    small_orchestra: Manifest,
    cache: Path,
    tmp_path: Path,
    training: tuple[Path, Trained],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The same 40 steps, but for an accident after the checkpoint at step 20.
    original = SpectralModule.training_step

    def fails_at_25(self: SpectralModule, draw: Draw, batch_idx: int) -> STEP_OUTPUT:
        if self.global_step == 25:
            raise OSError("the disk is full")
        return original(self, draw, batch_idx)

    monkeypatch.setattr(SpectralModule, "training_step", fails_at_25)
    with pytest.raises(OSError, match="disk is full"):
        train(Data(small_orchestra.folder), run_into(tmp_path, cache), SMALL, show_progress=False)
    monkeypatch.undo()
    assert not (tmp_path / FILE_NAME).exists()
    resumed = train(
        Data(small_orchestra.folder), run_into(tmp_path, cache, resume=True), SMALL, show_progress=False
    ).trained
    whole = training[1]
    assert resumed.provenance.steps == whole.provenance.steps == SMALL.max_steps
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_between_evaluations_a_checkpoint_is_kept_when_it_is_time(
    small_orchestra: Manifest,
    cache: Path,
    tmp_path: Path,
    training: tuple[Path, Trained],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As a kill leaves it that nobody could answer: no signal, no evaluation, only the clock.
    original = SpectralModule.training_step

    def dies_at_27(self: SpectralModule, draw: Draw, batch_idx: int) -> STEP_OUTPUT:
        if self.global_step == 27:
            raise OSError("the power is gone")
        return original(self, draw, batch_idx)

    monkeypatch.setattr(SpectralModule, "training_step", dies_at_27)
    often = replace(SMALL, keep_minutes=0.0)
    with pytest.raises(OSError, match="power is gone"):
        train(Data(small_orchestra.folder), run_into(tmp_path, cache), often, show_progress=False)
    monkeypatch.undo()
    assert kept_step(tmp_path) == 27
    resumed = train(Data(small_orchestra.folder), run_into(tmp_path, cache, resume=True), SMALL, show_progress=False)
    assert [row["step"] for row in resumed.rows] == [20, 40]
    for name, value in training[1].model.state_dict().items():
        assert torch.equal(value, resumed.trained.model.state_dict()[name]), name


def test_the_same_seed_gives_the_same_weights_and_another_does_not(
    small_orchestra: Manifest, cache: Path, tmp_path: Path
) -> None:
    brief = replace(SMALL, max_steps=3, check_every=3, media_every=10**6)
    made = [
        train(
            Data(small_orchestra.folder),
            run_into(tmp_path / str(k), cache),
            replace(brief, seed=seed),
            show_progress=False,
        ).trained
        for k, seed in enumerate((0, 0, 1))
    ]
    first, second, other = (trained.model.encoder.state_dict()["net.0.weight"] for trained in made)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_a_folder_of_any_sounds_is_trained_on(small_orchestra: Manifest, cache: Path, tmp_path: Path) -> None:
    indexed = folder.index(small_orchestra.folder, tmp_path / "manifest.json", folder.Settings(), licence="MIT")
    assert all(sound.pitch is None for sound in indexed.sounds)
    brief = replace(SMALL, max_steps=4, check_every=2, media_every=10**6)
    trained = train(Data(indexed.folder), run_into(tmp_path / "run", cache), brief, show_progress=False).trained
    assert {point.label for point in trained.latent.points} == {"flute", "clarinet"}
    assert trained.provenance.licence == "MIT"


def test_training_stops_when_the_time_is_up(small_orchestra: Manifest, cache: Path, tmp_path: Path) -> None:
    brief = replace(SMALL, max_steps=10**6, max_minutes=0.02, check_every=5, media_every=10**6)
    made = train(Data(small_orchestra.folder), run_into(tmp_path, cache), brief, show_progress=False)
    assert 0 < made.steps < 10_000
    # The end is judged as well, and kept.
    assert [event.step for event in events(tmp_path).Scalars("held_out/loss")][-1] == made.steps - 1
    assert kept_step(tmp_path) == made.steps
    # Resumed, it has nothing left to do and says the same.
    again = train(Data(small_orchestra.folder), run_into(tmp_path, cache, resume=True), brief, show_progress=False)
    assert (again.steps, again.held_out) == (made.steps, made.held_out)


def interrupt_at(step: int, number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send a signal in the middle of the training step after so many."""
    original = SpectralModule.training_step

    def interrupted(self: SpectralModule, draw: Draw, batch_idx: int) -> STEP_OUTPUT:
        if self.global_step == step:
            signal.raise_signal(number)
        return original(self, draw, batch_idx)

    monkeypatch.setattr(SpectralModule, "training_step", interrupted)


@pytest.mark.parametrize(
    ("number", "step"),
    [(signal.SIGINT, 3), (signal.SIGTERM, 3), (signal.SIGINT, 19), (signal.SIGTERM, 26)],
    ids=["ctrl-c before any evaluation", "sigterm before any evaluation", "right before one", "after one"],
)
def test_an_interrupted_training_resumes_exactly(
    number: signal.Signals,
    step: int,
    small_orchestra: Manifest,
    cache: Path,
    tmp_path: Path,
    training: tuple[Path, Trained],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    interrupt_at(step, number, monkeypatch)
    handler = signal.getsignal(number)
    with pytest.raises(TrainingError, match=f"Interrupted at step {step + 1}; go on with --resume"):
        train(Data(small_orchestra.folder), run_into(tmp_path, cache), SMALL, show_progress=False)
    assert signal.getsignal(number) is handler
    monkeypatch.undo()
    assert kept_step(tmp_path) == step + 1
    assert not list((tmp_path / "checkpoints").glob(".*"))
    begun = []
    original = SpectralModule.training_step

    def noting(self: SpectralModule, *given: Any) -> Any:
        begun.append(self.global_step)
        return original(self, *given)

    monkeypatch.setattr(SpectralModule, "training_step", noting)
    resumed = train(
        Data(small_orchestra.folder), run_into(tmp_path, cache, resume=True), SMALL, show_progress=False
    ).trained
    assert begun[0] == step + 1
    for name, value in training[1].model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
    judged, whole = (
        [(event.step, event.value) for event in events(out).Scalars("held_out/loss")] for out in (tmp_path, training[0])
    )
    assert judged == whole


def test_every_evaluation_is_kept_to_resume_from_also_when_it_is_not_the_best(
    small_orchestra: Manifest, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each evaluation is worse than the one before.
    monkeypatch.setattr(
        SpectralModule, "validation_step", lambda self, *given: self.log("held_out/loss", float(self.global_step))
    )
    brief = replace(SMALL, max_steps=7, check_every=2, media_every=10**6)
    made = train(Data(small_orchestra.folder), run_into(tmp_path, cache), brief, show_progress=False)
    assert kept_step(tmp_path) == made.steps == 7
    assert made.trained.provenance.steps == made.held_out == 2
    # A stop for lack of help is kept as well.
    stuck = replace(brief, max_steps=100, patience=2)
    stopped = train(Data(small_orchestra.folder), run_into(tmp_path / "stuck", cache), stuck, show_progress=False)
    assert kept_step(tmp_path / "stuck") == stopped.steps == 6


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_line_of_progress_keeps_its_times_at_any_width(width: int) -> None:
    console = Console(
        file=io.StringIO(), force_terminal=True, width=width, color_system=None, _environ={"TERM": "xterm"}
    )
    line = ProgressLine(console)
    trainer: Any = SimpleNamespace(is_global_zero=True)
    module: Any = None
    line.on_train_start(trainer, module)
    assert line.display is not None
    assert line.task is not None
    figures = "step 1360  loss 2.300  held-out 2.250  Δmel 3.90 dB"
    line.display.update(line.task, completed=0.25, text=figures)
    # Any exception must give the terminal back.
    line.on_exception(trainer, module, RuntimeError())
    assert line.display.live.is_started is False
    shown = [text for text in console.file.getvalue().splitlines() if "%" in text][-1]  # type: ignore[attr-defined]
    assert re.search(r"25% 0:00:0\d to go (-:--:--|\d:\d\d:\d\d) step", shown), shown
    assert (figures in shown) == (width >= 80)


def test_without_a_terminal_there_is_a_line_for_each_evaluation_and_no_bar(
    small_orchestra: Manifest, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    brief = replace(SMALL, max_steps=4, check_every=2, media_every=10**6)
    train(Data(small_orchestra.folder), run_into(tmp_path, cache), brief)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2, lines
    assert lines[0].startswith(" 50 %")
    assert lines[1].startswith("100 %")


def test_a_training_that_diverges_writes_no_model(small_orchestra: Manifest, cache: Path, tmp_path: Path) -> None:
    brief = replace(SMALL, max_steps=4, check_every=2, media_every=10**6)

    def spoil(training: SpectralModule) -> None:
        with torch.no_grad():
            training.vae.encoder.net[-1].bias.fill_(float("nan"))  # type: ignore[operator]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SpectralModule, "on_train_start", spoil)
        with pytest.raises(TrainingError, match="diverged"):
            train(Data(small_orchestra.folder), run_into(tmp_path, cache), brief, show_progress=False)
    assert not (tmp_path / FILE_NAME).exists()


def test_training_stops_when_it_no_longer_helps(small_orchestra: Manifest, cache: Path, tmp_path: Path) -> None:
    stuck = replace(
        SMALL, learning_rate=1e-8, max_steps=10_000, check_every=2, patience=2, media_every=10_000, warmup_steps=10**6
    )
    made = train(Data(small_orchestra.folder), run_into(tmp_path, cache), stuck, show_progress=False)
    assert kept_step(tmp_path) == made.steps
    steps = [event.step for event in events(tmp_path).Scalars("held_out/loss")]
    assert len(steps) < 1_000


def test_a_finished_training_is_not_overwritten(
    training: tuple[Path, Trained], small_orchestra: Manifest, cache: Path
) -> None:
    with pytest.raises(ConfigError, match="already holds a training"):
        train(Data(small_orchestra.folder), run_into(training[0], cache), SMALL, show_progress=False)


def test_another_training_is_not_resumed(
    training: tuple[Path, Trained], small_orchestra: Manifest, cache: Path, tmp_path: Path
) -> None:
    other = replace(SMALL, model=VaeConfig(latent=9))
    with pytest.raises(ConfigError, match="began with"):
        train(Data(small_orchestra.folder), run_into(training[0], cache, resume=True), other, show_progress=False)
    with pytest.raises(CheckpointError, match="nothing to resume"):
        train(Data(small_orchestra.folder), run_into(tmp_path, cache, resume=True), SMALL, show_progress=False)


def test_data_without_held_out_sounds_is_an_error(small_orchestra: Manifest, cache: Path, tmp_path: Path) -> None:
    data = json.loads((small_orchestra.folder / manifest.FILE_NAME).read_text())
    data["sounds"] = [{**sound, "split": "train"} for sound in data["sounds"]]
    only_train = small_orchestra.folder / "train_only.json"
    only_train.write_text(json.dumps(data))
    with pytest.raises(DataError, match="no sounds in this split"):
        train(Data(only_train), run_into(tmp_path, cache), SMALL, show_progress=False)


def test_a_checkpoint_is_read_back_as_it_was(training: tuple[Path, Trained]) -> None:
    read, made = checkpoint.load(training[0] / FILE_NAME), training[1]
    assert read.latent == made.latent
    assert read.provenance == made.provenance
    assert read.model.config == made.model.config
    for name, value in made.model.state_dict().items():
        assert torch.equal(value, read.model.state_dict()[name])


@pytest.mark.parametrize("kind", ["missing", "cut", "png", "empty", "foreign", "list", "code"])
def test_a_file_that_is_no_checkpoint_is_refused(training: tuple[Path, Trained], tmp_path: Path, kind: str) -> None:
    whole, path = (training[0] / FILE_NAME).read_bytes(), tmp_path / "model.ckpt"
    match kind:
        case "cut":
            path.write_bytes(whole[: len(whole) // 2])
        case "png":
            path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
        case "empty":
            path.touch()
        case "foreign":
            torch.save({"state_dict": {"a": torch.zeros(3)}}, path)
        case "list":
            torch.save([1, 2], path)
        case "code":
            torch.save({"kind": Path("x")}, path)
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_statistics_are_those_of_the_encoders_means(
    training: tuple[Path, Trained], small_orchestra: Manifest, cache: Path
) -> None:
    from models.data import features

    trained = training[1]
    sounds = small_orchestra.of_split("train")
    store = FrameStore.of(sounds, features.of_sounds(small_orchestra, sounds, features.Analysis(), cache))
    with torch.no_grad():
        means = trained.model.encoder(store.take(store.active.nonzero()[:, 0]).shape)[0]
    assert trained.latent.mean == pytest.approx(means.mean(dim=0).tolist(), abs=1e-4)
    assert trained.latent.std == pytest.approx(means.std(dim=0).tolist(), abs=1e-4)


def test_dimensions_are_ordered_by_how_much_they_change_the_sound(
    training: tuple[Path, Trained], small_orchestra: Manifest, cache: Path
) -> None:
    from models.data import features

    trained = checkpoint.load(training[0] / FILE_NAME)
    effects = [trained.latent.effect_db[k] for k in trained.latent.order]
    assert effects == sorted(effects, reverse=True)
    assert effects[0] > 0
    # A dimension that the decoder doesn't hear goes to the end.
    deaf = trained.latent.order[0]
    first = trained.model.decoder.net[0]
    assert isinstance(first, torch.nn.Linear)
    with torch.no_grad():
        first.weight[:, deaf] = 0
    sounds = small_orchestra.of_split("train")
    store = FrameStore.of(sounds, features.of_sounds(small_orchestra, sounds, features.Analysis(), cache))
    again = latent_measurement.measure(trained.model, store)
    assert again.order[-1] == deaf
    assert again.effect_db[deaf] == pytest.approx(0, abs=1e-5)


def test_the_map_has_a_named_point_for_each_label_and_pitch(
    training: tuple[Path, Trained], small_orchestra: Manifest
) -> None:
    points = training[1].latent.points
    assert len(points) == len(small_orchestra.of_split("train"))
    assert {point.label.split()[0] for point in points} == {"flute", "clarinet"}
    assert "flute C4" in {point.label for point in points}
    assert max(max(abs(point.x), abs(point.y)) for point in points) == pytest.approx(1)
    assert all(np.isfinite(point.latent).all() and len(point.latent) == 4 for point in points)


@pytest.mark.parametrize(("note", "name"), [(69, "A4"), (60, "C4"), (61.4, "C#4"), (21, "A0")])
def test_notes_are_named(note: float, name: str) -> None:
    assert note_name(note) == name
