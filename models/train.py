"""One training, from a manifest to a checkpoint that can be exported."""

from __future__ import annotations

import datetime
import logging
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

from export.contract import Provenance
from models import checkpoint, config, features, latents
from models.checkpoint import CheckpointError, Trained
from models.config import ConfigError, TrainConfig
from models.data import manifest
from models.data.manifest import Manifest, Split
from models.frames import FrameStore
from models.media import Media
from models.paced import SETTINGS_KEY
from models.resume import LastCheckpoint, TrainingError
from models.training import HELD_OUT_LOSS, Frames, ProgressLine, VaeTraining

MODEL_FILE = checkpoint.FILE_NAME


@dataclass(frozen=True)
class Run:
    """Where a training reads and writes, and what it runs on.

    `data` is a manifest or the folder that holds it. `out` receives `model.ckpt` for export, `checkpoints/` to resume
    from and `logs/` for TensorBoard. `cache` keeps features; None puts it into `out`.
    """

    data: Path
    out: Path
    cache: Path | None = None
    resume: bool = False
    accelerator: str = "auto"
    devices: str = "auto"
    nodes: int = 1
    command: str = ""


@dataclass(frozen=True)
class Result:
    """What came out of a training of so many `steps`: the model as it was when it did best.

    `trained.provenance.steps` says when that was, `held_out` how well it did on the held-out sounds.
    """

    trained: Trained
    steps: int
    held_out: float


def train(
    run: Run,
    settings: TrainConfig,
    *,
    on_sound: Callable[[int, int], None] = lambda done, total: None,
    show_progress: bool = True,
) -> Result:
    """Train a VAE and write its checkpoint.

    Parameters
    ----------
    run
        Where from, where to.
    settings
        How.
    on_sound
        Called after each sound is analysed with how many are done and how many there are.
    show_progress
        Whether to draw a line of progress on the terminal.

    Raises
    ------
    DataError, ConfigError, CheckpointError
        What is asked for cannot be done; the message says why.
    TrainingError
        The training was interrupted, or diverged.
    """
    last = run.out / "checkpoints" / "last.ckpt"
    _check_start(run, settings, last)
    sounds = manifest.read(run.data)
    L.seed_everything(settings.seed, workers=True, verbose=False)
    stores = {split: _store(sounds, split, run, settings, on_sound) for split in manifest.SPLITS}
    frames = Frames(stores["train"], stores["held-out"], settings)
    module = VaeTraining(settings, frames)
    if not run.resume:
        module.fit_scales()
    best = ModelCheckpoint(dirpath=last.parent, filename="best", monitor=HELD_OUT_LOSS, enable_version_counter=False)
    stop = EarlyStopping(HELD_OUT_LOSS, patience=settings.patience)
    media = Media(stores["held-out"], settings.media_every)
    with quiet():
        trainer = L.Trainer(
            accelerator=_accelerator(run.accelerator),
            devices=run.devices,
            num_nodes=run.nodes,
            max_steps=settings.max_steps,
            callbacks=[stop, media, *([ProgressLine()] if show_progress else []), best, LastCheckpoint(last)],
            logger=TensorBoardLogger(run.out, name="logs", version=""),
            val_check_interval=min(settings.check_every, settings.max_steps),
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            gradient_clip_val=settings.clip,
            log_every_n_steps=min(50, settings.check_every),
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        try:
            trainer.fit(module, datamodule=frames, ckpt_path=str(last) if run.resume else None, weights_only=True)
        except SystemExit:  # Lightning's answer to Ctrl-C before the first step
            again = "go on with --resume" if run.resume else "begin again"
            raise TrainingError(f"Interrupted before a step was done; {again}.") from None
    trained = _finish(module, best, stores["train"], sounds, run, trainer.global_step)
    checkpoint.save(trained, run.out / MODEL_FILE)
    held_out = math.nan if best.best_model_score is None else float(best.best_model_score)
    return Result(trained, trainer.global_step, held_out)


def _check_start(run: Run, settings: TrainConfig, last: Path) -> None:
    """Refuse to overwrite a training, to resume none, or to resume another one."""
    for folder in (run.out, *([run.cache] if run.cache else [])):
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"{folder} is a file, and a folder to write to was expected; give another name.")
    if run.devices != "auto" and not (run.devices.isdecimal() and int(run.devices)):
        raise ConfigError(f"The number of devices must be auto or a whole number above 0, not '{run.devices}'.")
    if not run.resume:
        if last.exists():
            raise ConfigError(f"{run.out} already holds a training; give --resume, or another folder.")
        return
    if not last.is_file():
        raise CheckpointError(f"There is nothing to resume in {run.out}; begin without --resume.")
    kept = checkpoint.load_plain(last)
    try:
        before = config.from_plain(kept[SETTINGS_KEY]["config"])
    except (KeyError, TypeError):
        raise CheckpointError(f"{last} is not of a training that this program began; begin without --resume.") from None
    config.check_resumable(before, settings)


def _store(
    sounds: Manifest, split: Split, run: Run, settings: TrainConfig, on_sound: Callable[[int, int], None]
) -> FrameStore:
    model = settings.model
    analysis = features.Analysis(model.sample_rate, model.n_fft, model.hop)
    chosen = sounds.of_split(split)
    cache = run.cache or run.out / "features"
    return FrameStore.of(chosen, features.of_sounds(sounds, chosen, analysis, cache, on_sound=on_sound))


def _finish(
    module: VaeTraining, best: ModelCheckpoint, store: FrameStore, sounds: Manifest, run: Run, steps: int
) -> Trained:
    """Take the weights that did best on the held-out sounds, and measure their latent space."""
    if best.best_model_path:
        kept = checkpoint.load_plain(best.best_model_path)
        module.load_state_dict(kept["state_dict"])
        steps = int(kept["global_step"])
    vae = module.vae.cpu().eval()
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


class quiet(warnings.catch_warnings):  # noqa: N801
    """Keep Lightning's hints and banners off the terminal."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")
        for name in ("lightning.pytorch", "lightning.fabric"):
            logging.getLogger(name).setLevel(logging.ERROR)
