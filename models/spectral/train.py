"""One training, from a manifest to a checkpoint that can be exported."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import TensorBoardLogger

from export.format.card import Provenance
from models.data import features, manifest
from models.data.manifest import Manifest
from models.data.opening import Wanted, open_data, open_shared, summary
from models.data.prepare import Preparation
from models.data.split import HoldOut
from models.spectral import checkpoint
from models.spectral import latent_stats as latents
from models.spectral import settings as config
from models.spectral.checkpoint import CheckpointError, Trained
from models.spectral.frames import FrameStore
from models.spectral.module import Frames, ProgressLine, VaeTraining
from models.spectral.previews import Media
from models.spectral.settings import ConfigError, TrainConfig
from models.training import plan
from models.training.evaluation_history import Judged, Row
from models.training.lightning_logging import quiet
from models.training.plan import Plan
from models.training.resume import LastCheckpoint, TrainingError
from models.training.scheduled_module import HELD_OUT_LOSS, SETTINGS_KEY

MODEL_FILE = checkpoint.FILE_NAME
DATA_FILE = "data.json"
"""The manifest that a training writes of sounds that have none, or are split anew."""


@dataclass(frozen=True)
class Run:
    """Where a training reads and writes, and what it runs on.

    `data` is a manifest, the folder that holds it, or any folder of sounds. `out` receives `model.ckpt` for export,
    `checkpoints/` to resume from and `logs/` for TensorBoard. `cache` keeps features; None puts it into `out`.
    `hold_out` and `share` choose what is held out; None keeps the split of a manifest, and holds out files of a folder.
    `workers` is the number of processes that analyse sounds.
    """

    data: Path
    out: Path
    cache: Path | None = None
    resume: bool = False
    accelerator: str = "auto"
    devices: str = "auto"
    nodes: int = 1
    command: str = ""
    hold_out: HoldOut | None = None
    share: float = 0.2
    workers: int = 0


@dataclass(frozen=True)
class Result:
    """What came out of a training of so many `steps`: the model as it was when it did best.

    `trained.provenance.steps` says when that was, `held_out` how well it did on the held-out sounds. `rows` are the
    figures of each evaluation. `sounds` is what it was trained with, `frames` what was made of them. Where several
    processes trained together, the `first` of them has written the model.
    """

    trained: Trained
    steps: int
    held_out: float
    rows: tuple[Row, ...]
    settings: TrainConfig
    sounds: Manifest
    frames: Frames
    first: bool = True


@dataclass(frozen=True)
class Begun:
    """A training that was begun before: its settings, its plan, and the checkpoint it left, if it came so far."""

    settings: TrainConfig
    plan: Plan | None
    checkpoint: Path | None


def train(
    run: Run,
    settings: TrainConfig,
    *,
    on_file: Callable[[int, int], None] = lambda done, total: None,
    on_sound: Callable[[int, int], None] = lambda done, total: None,
    tell: Callable[[str], None] = lambda line: None,
    show_progress: bool = True,
) -> Result:
    """Train a VAE and write its checkpoint.

    Parameters
    ----------
    run
        Where from, where to.
    settings
        How.
    on_file, on_sound
        Called after each file that is read, and each sound that is analysed, with how many are done and how many there
        are.
    tell
        Called with a line on what the data are, and on each file that was skipped.
    show_progress
        Whether to draw a line of progress on the terminal.

    Raises
    ------
    DataError, ConfigError, CheckpointError
        What is asked for cannot be done; the message says why.
    TrainingError
        The training was interrupted, or diverged.
    """
    _check_start(run)
    accelerator = _accelerator(run.accelerator)
    before = begun(run.out) if run.resume else None
    if before is not None:
        config.check_resumable(before.settings, settings)
    sounds, settings = _open(run, settings, before, on_file, tell)
    L.seed_everything(settings.seed, workers=True, verbose=False)
    frames = Frames(*_stores(sounds, run, settings, on_sound), settings)
    module = VaeTraining(settings, frames)
    if before is None or before.checkpoint is None:
        module.fit_scales()
        module.plan = None if before is None else before.plan
    judged = Judged()
    stop = EarlyStopping(HELD_OUT_LOSS, patience=settings.patience)
    media = Media(frames.held_out, settings.media_every)
    last = LastCheckpoint(_last(run.out), settings.keep_minutes)
    with quiet():
        trainer = L.Trainer(
            accelerator=accelerator,
            devices=run.devices,
            num_nodes=run.nodes,
            max_steps=settings.max_steps,
            callbacks=[stop, media, *([ProgressLine()] if show_progress else []), judged, last],
            logger=TensorBoardLogger(run.out, name="logs", version=""),
            val_check_interval=min(settings.check_every, settings.max_steps),
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            gradient_clip_val=settings.clip,
            log_every_n_steps=min(50, settings.check_every),
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        checkpoint_path = None if before is None or before.checkpoint is None else str(before.checkpoint)
        try:
            trainer.fit(module, datamodule=frames, ckpt_path=checkpoint_path, weights_only=True)
        except SystemExit:  # Lightning's answer to Ctrl-C before the first step
            again = "go on with --resume" if run.resume else "begin again"
            raise TrainingError(f"Interrupted before a step was done; {again}.") from None
    steps = trainer.global_step
    trained = _finish(module, judged, sounds, run, steps)
    if trainer.is_global_zero:
        checkpoint.save(trained, run.out / MODEL_FILE)
    return Result(
        trained, steps, judged.best, tuple(judged.rows), settings, sounds, frames, first=trainer.is_global_zero
    )


def begun(out: Path) -> Begun:
    """Find the training that was begun in a folder.

    Raises
    ------
    CheckpointError
        There is none, or its checkpoint is not of a training of this kind.
    """
    last = _last(out)
    if not last.is_file():
        planned = plan.read(last.parent)
        if planned is None:
            raise CheckpointError(f"There is nothing to resume in {out}; begin without --resume.")
        return Begun(config.from_plain(planned[1]), planned[0], None)
    kept = checkpoint.load_plain(last)
    try:
        known = kept[SETTINGS_KEY]
        return Begun(config.from_plain(known["config"]), Plan(**known["plan"]) if known.get("plan") else None, last)
    except (KeyError, TypeError):
        raise CheckpointError(f"{last} is not of a training that this program began; begin without --resume.") from None


def _last(out: Path) -> Path:
    return out / "checkpoints" / "last.ckpt"


def _check_start(run: Run) -> None:
    """Refuse to overwrite a training, or what is no folder."""
    for folder in (run.out, *([run.cache] if run.cache else [])):
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"{folder} is a file, and a folder to write to was expected; give another name.")
    if run.devices != "auto" and not (run.devices.isdecimal() and int(run.devices)):
        raise ConfigError(f"The number of devices must be auto or a whole number above 0, not '{run.devices}'.")
    if not run.resume and _last(run.out).exists() and not _joins():
        raise ConfigError(f"{run.out} already holds a training; give --resume, or another folder.")


def _joins() -> bool:
    """Whether this process was started by another of this machine, to train together with it."""
    return os.environ.get("LOCAL_RANK", "0") != "0"


def _open(
    run: Run,
    settings: TrainConfig,
    before: Begun | None,
    on_file: Callable[[int, int], None],
    tell: Callable[[str], None],
) -> tuple[Manifest, TrainConfig]:
    """Open the sounds, those that a training was begun with if there is one, and decide whether to prepare them."""
    listed = run.out / DATA_FILE
    first = before is None and not _joins()
    if first:
        listed.unlink(missing_ok=True)
    hold_out = run.hold_out if before is None else None  # what was held out stays so
    wanted = Wanted(run.data, hold_out, run.share, settings.seed)
    opening = open_data if first else open_shared
    opened = opening(wanted, listed, command=run.command, on_file=on_file)
    if first:
        for line in summary(opened.sounds):
            tell(line)
    decided = settings.prepare if before is None else before.settings.prepare
    return opened.sounds, replace(settings, prepare=opened.raw if decided is None else decided)


def _stores(
    sounds: Manifest, run: Run, settings: TrainConfig, on_sound: Callable[[int, int], None]
) -> tuple[FrameStore, FrameStore]:
    """Analyse the sounds: frames to train on, and frames to judge by."""
    model = settings.model
    chosen = [sounds.of_split(split) for split in manifest.SPLITS]
    found = features.of_sounds(
        sounds,
        [sound for part in chosen for sound in part],
        features.Analysis(model.sample_rate, model.n_fft, model.hop),
        run.cache or run.out / "features",
        preparation=Preparation() if settings.prepare else None,
        workers=run.workers,
        on_sound=on_sound,
    )
    trained_on = len(chosen[0])
    return FrameStore.of(chosen[0], found[:trained_on]), FrameStore.of(chosen[1], found[trained_on:])


def _finish(module: VaeTraining, judged: Judged, sounds: Manifest, run: Run, steps: int) -> Trained:
    """Take the weights that did best on the held-out sounds, and measure their latent space."""
    steps = judged.give_best(module) or steps
    vae, store = module.vae.cpu().eval(), module.frames.train
    if not all(bool(value.isfinite().all()) for value in vae.state_dict().values()):
        raise TrainingError("The training diverged: its weights are no longer finite; lower learning_rate.")
    source = sounds.source
    parts = [source.name, source.tool, source.soundfont]
    figures = f"{len(store.sounds)} sounds trained on, {len(sounds.of_split('held-out'))} held out"
    provenance = Provenance(
        data=", ".join(part for part in parts if part),
        licence=source.licence,
        date=datetime.date.today().isoformat(),
        command=run.command,
        steps=steps,
        seed=module.config.seed,
        notes=f"{figures}; {module.seconds / 60:.0f} min of training.",
    )
    return Trained(vae, latents.measure(vae, store, module.config.seed), provenance)


def _accelerator(name: str) -> str:
    known = ("auto", "cpu", "gpu", "mps")
    if name not in known:
        raise ConfigError(f"There is no accelerator '{name}'; there are {', '.join(known)}.")
    if name == "gpu" and not torch.cuda.is_available():
        raise ConfigError("There is no GPU that torch can use here; give --accelerator cpu.")
    return name
