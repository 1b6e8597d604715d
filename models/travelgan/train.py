"""One training, from two folders of sounds to a checkpoint that can be exported."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger

from export.format.card import Provenance
from models.data.manifest import SPLITS, DataError, Manifest
from models.data.opening import Wanted, open_shared
from models.dsp.log_mel import LogMel
from models.spectral import checkpoint as checkpoints
from models.spectral.checkpoint import FILE_NAME, CheckpointError
from models.spectral.module import ProgressLine
from models.spectral.settings import ConfigError
from models.training import plan
from models.training.lightning_logging import quiet
from models.training.resume import LastCheckpoint, TrainingError
from models.training.scheduled_module import SETTINGS_KEY
from models.travelgan import checkpoint
from models.travelgan.checkpoint import Traveller, config_of
from models.travelgan.module import TravelTraining
from models.travelgan.previews import TravelMedia
from models.travelgan.settings import TravelSettings
from models.travelgan.spectra import LEAST_SHARE, Spectra, of_split

Tell = Callable[[str, int, int], None]
"""Takes what is done, how far it is, and how much there is."""

PICTURES = "pictures"


@dataclass(frozen=True)
class TravelRun:
    """Where a training reads and writes, and what it runs on.

    `source` and `target` are manifests, folders that hold one, or any folders of sounds. `out` receives `model.ckpt`
    for export, `checkpoints/` to resume from, `pictures/`, and `logs/` for TensorBoard. `cache` keeps spectra; None
    puts them into `out`.
    """

    source: Path
    target: Path
    out: Path
    cache: Path | None = None
    resume: bool = False
    accelerator: str = "auto"
    command: str = ""


@dataclass(frozen=True)
class Trained:
    """What came out of a training: the model, and the spectra of source and target, trained on and held out."""

    model: Traveller
    train: tuple[Spectra, Spectra]
    held: tuple[Spectra, Spectra]


def train(
    run: TravelRun,
    settings: TravelSettings,
    *,
    tell: Tell = lambda what, done, total: None,
    show_progress: bool = True,
) -> Trained:
    """Train a generator that turns one domain into the other, and write its checkpoint.

    Parameters
    ----------
    run
        Where from, where to.
    settings
        How.
    tell
        Called while sounds are analysed.
    show_progress
        Whether to draw a line of progress of the training on the terminal.

    Raises
    ------
    DataError, ConfigError, CheckpointError
        What is asked for cannot be done; the message says why.
    TrainingError
        The training was interrupted, or diverged.
    """
    last = run.out / "checkpoints" / "last.ckpt"
    resumed = _check_start(run, settings, last)
    domains = [
        open_shared(Wanted(data, seed=settings.seed), run.out / f"{name}.json", command=run.command).sounds
        for name, data in (("source", run.source), ("target", run.target))
    ]
    found = {split: [_spectra(sounds, split, run, settings.scale, tell) for sounds in domains] for split in SPLITS}
    trained, held = (tuple(found[split]) for split in SPLITS)
    for sounds, spectra in zip(domains, trained, strict=True):
        _must_last(sounds, spectra, settings)
    L.seed_everything(settings.seed, workers=True, verbose=False)
    module = TravelTraining(settings, (trained[0], trained[1]), (held[0], held[1]))
    module.plan = resumed
    with quiet():
        trainer = L.Trainer(
            accelerator=run.accelerator,
            devices=1,
            max_steps=settings.max_steps,
            callbacks=[
                *([ProgressLine()] if show_progress else []),
                TravelMedia(run.out / PICTURES),
                LastCheckpoint(last),
            ],
            logger=TensorBoardLogger(run.out, name="logs", version=""),
            val_check_interval=min(settings.check_every, settings.max_steps),
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            log_every_n_steps=min(50, settings.check_every),
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, ckpt_path=str(last) if last.is_file() else None, weights_only=True)
    model = _finish(module, domains, run, trainer.global_step)
    checkpoint.save(model, run.out / FILE_NAME)
    return Trained(model, module.draws.domains, module.held)


def settings_of(out: Path) -> TravelSettings | None:
    """Give the settings that the training in a folder was begun with; None where there is none.

    Raises
    ------
    CheckpointError
        There is a training of something else.
    """
    last = out / "checkpoints" / "last.ckpt"
    if last.is_file():
        told = checkpoints.load_plain(last).get(SETTINGS_KEY, {}).get("config", {})
    elif found := plan.read(last.parent):
        told = found[1]
    else:
        return None
    try:
        return TravelSettings(**{**told, "model": config_of(told["model"]), "scale": LogMel(**told["scale"])})
    except (KeyError, TypeError):
        raise CheckpointError(f"{last} is not of a training of this kind; begin another without --resume.") from None


def _check_start(run: TravelRun, settings: TravelSettings, last: Path) -> plan.Plan | None:
    """Refuse to overwrite a training, to resume none, or to resume another one; give a plan that was made already."""
    if run.out.exists() and not run.out.is_dir():
        raise ConfigError(f"{run.out} is a file, and a folder to write to was expected; give another name.")
    before, found = settings_of(run.out), plan.read(last.parent)
    if not run.resume:
        if before is not None:
            raise ConfigError(f"{run.out} already holds a training; give --resume, or another folder.")
        return None
    if before is None:
        raise CheckpointError(f"There is nothing to resume in {run.out}; begin without --resume.")
    kept = ("model", "scale", "parts", "stitching", "batch", "portion", "vector", "spectral", "gist", "seed")
    if any(getattr(before, name) != getattr(settings, name) for name in kept):
        raise ConfigError(f"The training in {run.out} began with other settings or another seed; keep them.")
    return found[0] if found and not last.is_file() else None


def _spectra(sounds: Manifest, split: str, run: TravelRun, scale: LogMel, tell: Tell) -> Spectra:
    cache = run.cache or run.out / "spectra"
    name = sounds.source.name or "sounds"
    return of_split(
        sounds,
        "train" if split == "train" else "held-out",
        scale,
        cache,
        lambda done, total: tell(f"analysing {name}, {split}", done, total),
    )


def _must_last(sounds: Manifest, spectra: Spectra, settings: TravelSettings) -> None:
    """Refuse a domain of which a spectrogram would hold next to nothing."""
    least, scale = settings.frames // LEAST_SHARE, settings.scale
    if all(value.shape[1] < least for value in spectra.values):
        seconds = least * scale.hop / scale.sample_rate
        raise DataError(f"No sound of '{sounds.source.name}' lasts {seconds:.2f} s; give it longer ones.")


def _finish(module: TravelTraining, domains: list[Manifest], run: TravelRun, steps: int) -> Traveller:
    """Make the model of a training's averaged weights, and say where it comes from."""
    settings, made = module.settings, module.averaged.cpu().eval()
    if not all(bool(value.isfinite().all()) for value in made.state_dict().values()):
        raise TrainingError("The training diverged: its weights are no longer finite; lower learning_rate.")
    counts = ", ".join(f"{len(sounds.of_split('train'))} {sounds.source.name}" for sounds in domains)
    licences = dict.fromkeys(sounds.source.licence for sounds in domains)
    names = dict.fromkeys(part for sounds in domains for part in (sounds.source.name, sounds.source.tool))
    provenance = Provenance(
        data="; ".join(name for name in names if name),
        licence="; ".join(licence for licence in licences if licence),
        date=datetime.date.today().isoformat(),
        command=run.command,
        steps=steps,
        seed=settings.seed,
        notes=f"Sounds trained on: {counts}; {module.seconds / 60:.0f} min of training.",
    )
    return Traveller(made, settings.model, settings.scale, tuple(module.networks.lengths), provenance)
