"""Training of the spectral VAE, from sounds to a checkpoint that can be exported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import EarlyStopping

from models.data import features, manifest
from models.data.held_out_split import HoldOut
from models.data.manifest import Manifest
from models.data.open_data import DataRequest, open_data, open_shared, summary
from models.data.trim_and_level import Preparation
from models.spectral_vae import checkpoint, latent_measurement
from models.spectral_vae.checkpoint import Trained
from models.spectral_vae.frame_store import FrameStore
from models.spectral_vae.lightning_module import SpectralModule, segment_data
from models.spectral_vae.previews import SoundPreviews
from models.spectral_vae.settings import TrainConfig, check_resumable, from_plain
from models.training.callbacks.evaluation_history import EvaluationHistory, Row
from models.training.callbacks.last_checkpoint import LastCheckpoint
from models.training.callbacks.progress_line import ProgressLine
from models.training.finish import check_finite, names_of, provenance
from models.training.frame_vae.sound_segments import SegmentData
from models.training.resume import Started, open_run
from models.training.run_config import Progress, RunConfig, is_joining_process, no_progress
from models.training.scheduled_module import HELD_OUT_LOSS
from models.training.trainer import fit

DATA_FILE = "data.json"
"""Name of the manifest that a run writes for sounds that have none, or that are split anew."""


@dataclass(frozen=True)
class Data:
    """The sounds of a training.

    Attributes
    ----------
    path
        A manifest, the folder that holds one, or any folder of sounds.
    hold_out, share
        What is held out for evaluation, and how much of it; None keeps the split of a manifest, and holds out files of
        a folder.
    workers
        Processes that analyse sounds.
    """

    path: Path
    hold_out: HoldOut | None = None
    share: float = 0.2
    workers: int = 0


@dataclass(frozen=True)
class Result:
    """A finished training.

    Attributes
    ----------
    trained
        The model at its best evaluation; `trained.provenance.steps` is that step.
    steps
        Steps of the whole training.
    held_out
        Loss on the held-out sounds at the best evaluation.
    rows
        The figures of each evaluation.
    settings, sounds, frames
        Settings and data of the training.
    first
        Whether this process is the first of those that trained together; it has written the model.
    """

    trained: Trained
    steps: int
    held_out: float
    rows: tuple[Row, ...]
    settings: TrainConfig
    sounds: Manifest
    frames: SegmentData[FrameStore]
    first: bool = True


def train(
    data: Data,
    run: RunConfig,
    settings: TrainConfig,
    *,
    on_progress: Progress = no_progress,
    notify: Callable[[str], None] = lambda line: None,
    show_progress: bool = True,
) -> Result:
    """Train a VAE and write its checkpoint.

    Parameters
    ----------
    data
        The sounds.
    run
        Where to write, and on which device to train.
    settings
        Network and training.
    on_progress
        Called while sounds are read and analysed; see `Progress`.
    notify
        Called with a line about the data, and one for each file that was skipped.
    show_progress
        Whether to show the progress of the training on the terminal.

    Returns
    -------
    result : Result

    Raises
    ------
    DataError, ConfigError, CheckpointError
        The data, the settings or the run's folder cannot be used.
    TrainingError
        The training was interrupted, or diverged.
    """
    started = open_run(run, from_plain)
    if started is not None:
        check_resumable(started.settings, settings)
    sounds, settings = _open(data, run, settings, started, on_progress, notify)
    L.seed_everything(settings.seed, workers=True, verbose=False)
    frames = segment_data(*_stores(sounds, data, run, settings, on_progress), settings)
    module = SpectralModule(settings, frames)
    if started is None or started.checkpoint is None:
        module.fit_scales()
        module.plan = None if started is None else started.plan
    history = EvaluationHistory()
    trainer = fit(
        module,
        run,
        data=frames,
        callbacks=[
            EarlyStopping(HELD_OUT_LOSS, patience=settings.patience),
            SoundPreviews(frames.held_out, settings.media_every),
            *([ProgressLine()] if show_progress else []),
            history,
            LastCheckpoint(run.last, settings.keep_minutes),
        ],
        checkpoint=None if started is None else started.checkpoint,
        check_every=settings.check_every,
        clip=settings.clip,
    )
    steps, first = trainer.global_step, trainer.is_global_zero
    trained = _best_model(module, history, sounds, run, steps)
    if first:
        checkpoint.save(trained, run.checkpoint)
    return Result(trained, steps, history.best, tuple(history.rows), settings, sounds, frames, first)


def _open(
    data: Data,
    run: RunConfig,
    settings: TrainConfig,
    started: Started[TrainConfig] | None,
    on_progress: Progress,
    notify: Callable[[str], None],
) -> tuple[Manifest, TrainConfig]:
    """Open the sounds, with the split of a resumed training, and decide whether to prepare them."""
    listed = run.out / DATA_FILE
    first = started is None and not is_joining_process()
    if first:
        listed.unlink(missing_ok=True)
    hold_out = data.hold_out if started is None else None  # a resumed training keeps its split
    wanted = DataRequest(data.path, hold_out, data.share, settings.seed)
    opening = open_data if first else open_shared
    opened = opening(
        wanted, listed, command=run.command, on_file=lambda done, total: on_progress("reading", done, total)
    )
    if first:
        for line in summary(opened.sounds):
            notify(line)
    decided = settings.prepare if started is None else started.settings.prepare
    return opened.sounds, replace(settings, prepare=opened.raw if decided is None else decided)


def _stores(
    sounds: Manifest, data: Data, run: RunConfig, settings: TrainConfig, on_progress: Progress
) -> tuple[FrameStore, FrameStore]:
    """Analyse the sounds: frames to train on, and frames to evaluate on."""
    model = settings.model
    chosen = [sounds.of_split(split) for split in manifest.SPLITS]
    found = features.of_sounds(
        sounds,
        [sound for part in chosen for sound in part],
        features.Analysis(model.sample_rate, model.n_fft, model.hop),
        run.cache_folder("features"),
        preparation=Preparation() if settings.prepare else None,
        workers=data.workers,
        on_sound=lambda done, total: on_progress("analysing", done, total),
    )
    trained_on = len(chosen[0])
    return FrameStore.of(chosen[0], found[:trained_on]), FrameStore.of(chosen[1], found[trained_on:])


def _best_model(
    module: SpectralModule, history: EvaluationHistory, sounds: Manifest, run: RunConfig, steps: int
) -> Trained:
    """Load the weights of the best evaluation, and measure their latent space."""
    steps = history.load_best(module) or steps
    vae, store, seed = module.vae.cpu().eval(), module.frames.train, module.settings.seed
    check_finite(vae)
    figures = f"{len(store.sounds)} sounds trained on, {len(sounds.of_split('held-out'))} held out"
    source = provenance(
        run,
        names_of(sounds.source),
        [sounds.source.licence],
        steps=steps,
        seed=seed,
        notes=f"{figures}; {module.seconds / 60:.0f} min of training.",
    )
    return Trained(vae, latent_measurement.measure(vae, store, seed), source)
