"""One training of a playable model, from a manifest to a checkpoint that can be exported."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger

from export.format.card import Provenance
from models.data import manifest
from models.data.manifest import Manifest, Split
from models.harmonics import analysis
from models.harmonics.analysis import Analysis
from models.playable import checkpoint
from models.playable import instruments as presets
from models.playable import latent_stats as statistics
from models.playable import spectral_encoder as hearing
from models.playable.checkpoint import Playable
from models.playable.frames import PartialStore
from models.playable.module import Notes, PlayableTraining
from models.playable.network import PlayableConfig
from models.playable.settings import PlayableSettings, checked
from models.spectral import checkpoint as checkpoints
from models.spectral.checkpoint import CheckpointError
from models.spectral.module import ProgressLine
from models.spectral.settings import ConfigError
from models.spectral.train import MODEL_FILE, Run
from models.training.lightning_logging import quiet
from models.training.resume import LastCheckpoint, TrainingError
from models.training.scheduled_module import SETTINGS_KEY

Tell = Callable[[str, int, int], None]
"""Takes what is done, how far it is, and how much there is."""


def train(
    run: Run, settings: PlayableSettings, *, tell: Tell = lambda what, done, total: None, show_progress: bool = True
) -> Playable:
    """Train a playable model and write its checkpoint.

    Parameters
    ----------
    run
        Where from, where to.
    settings
        How.
    tell
        Called while notes are analysed, and while presets and hearing are fitted.
    show_progress
        Whether to draw a line of progress of the training on the terminal.

    Raises
    ------
    DataError, ConfigError, CheckpointError
        What is asked for cannot be done; the message says why.
    TrainingError
        The training was interrupted, or diverged.
    """
    settings = checked(settings)
    last = run.out / "checkpoints" / "last.ckpt"
    _check_start(run, settings, last)
    sounds = manifest.read(run.data)
    L.seed_everything(settings.seed, workers=True, verbose=False)
    stores = {split: _store(sounds, split, run, settings, tell) for split in manifest.SPLITS}
    notes = Notes(stores["train"], stores["held-out"], settings)
    module = PlayableTraining(settings, notes)
    if not run.resume:
        module.fit_scales()
    with quiet():
        trainer = L.Trainer(
            accelerator=run.accelerator,
            devices=run.devices,
            num_nodes=run.nodes,
            max_steps=settings.max_steps,
            callbacks=[*([ProgressLine()] if show_progress else []), LastCheckpoint(last)],
            logger=TensorBoardLogger(run.out, name="logs", version=""),
            val_check_interval=min(settings.check_every, settings.max_steps),
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            gradient_clip_val=settings.clip,
            log_every_n_steps=min(50, settings.check_every),
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, datamodule=notes, ckpt_path=str(last) if run.resume else None, weights_only=True)
    model = _finish(module, stores["train"], sounds, run, trainer.global_step, tell)
    checkpoint.save(model, run.out / MODEL_FILE)
    return model


def _check_start(run: Run, settings: PlayableSettings, last: Path) -> None:
    """Refuse to overwrite a training, to resume none, or to resume another one."""
    if run.out.exists() and not run.out.is_dir():
        raise ConfigError(f"{run.out} is a file, and a folder to write to was expected; give another name.")
    if not run.resume:
        if last.exists():
            raise ConfigError(f"{run.out} already holds a training; give --resume, or another folder.")
        return
    if not last.is_file():
        raise CheckpointError(f"There is nothing to resume in {run.out}; begin without --resume.")
    kept = checkpoints.load_plain(last).get(SETTINGS_KEY, {}).get("config", {})
    try:
        before = PlayableSettings(**{**kept, "model": PlayableConfig(**kept["model"])})
    except (KeyError, TypeError):
        raise CheckpointError(f"{last} is not of a training of a playable model; begin without --resume.") from None
    if (before.model, before.seed) != (settings.model, settings.seed):
        raise ConfigError(f"The training in {run.out} began with another model or seed; keep them, or begin anew.")


def _store(sounds: Manifest, split: Split, run: Run, settings: PlayableSettings, tell: Tell) -> PartialStore:
    model, chosen = settings.model, sounds.of_split(split)
    found = analysis.of_sounds(
        sounds,
        chosen,
        Analysis(model.sample_rate, model.hop),
        run.cache or run.out / "features",
        on_sound=lambda done, total: tell("analysing", done, total),
    )
    return PartialStore.of(chosen, found)


def _finish(
    module: PlayableTraining, store: PartialStore, sounds: Manifest, run: Run, steps: int, tell: Tell
) -> Playable:
    """Fit what goes with the finished model, and measure its latent space."""
    vae, settings = module.vae.cpu().eval(), module.settings
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
        seed=settings.seed,
        notes=f"{figures}; {module.seconds / 60:.0f} min of training.",
    )
    how = {"steps": settings.fit_steps, "seed": settings.seed}
    return Playable(
        vae,
        presets.fit(vae, store, **how, on_step=lambda done, total: tell("fitting presets", done, total)),
        hearing.fit(vae, store, **how, on_step=lambda done, total: tell("learning to hear", done, total)),
        statistics.measure(vae, store),
        provenance,
    )
