"""One training of a DCGAN, from data to a checkpoint."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger

from export.format.card import Provenance
from models.dcgan import checkpoint
from models.dcgan.adversarial import Game
from models.dcgan.checkpoint import TrainedDcgan
from models.dcgan.domains import Pictures, Spectra, opened
from models.dcgan.latent_directions import measure, turned
from models.dcgan.module import DcganTraining, LastTurn
from models.dcgan.previews import EpochMedia
from models.dcgan.settings import DcganSettings, checked
from models.spectral import checkpoint as checkpoints
from models.spectral.checkpoint import CheckpointError
from models.spectral.settings import ConfigError
from models.training import plan as plans
from models.training.lightning_logging import quiet
from models.training.resume import TrainingError
from models.training.scheduled_module import SETTINGS_KEY

MODEL_FILE, DATA_FILE = checkpoints.FILE_NAME, "data.json"
_STAY = ("latent", "filters", "batch", "stitching", "shared", "chunk", "seed")


@dataclass(frozen=True)
class Run:
    """Where a training reads and writes, and what it runs on.

    `data` is what `models.dcgan.domains.opened` takes. `out` receives `model.ckpt`, `checkpoints/` to resume from,
    `epochs/` with a picture for each epoch, and `logs/` for TensorBoard.
    """

    data: str
    out: Path
    resume: bool = False
    accelerator: str = "cpu"
    command: str = ""


@dataclass(frozen=True)
class Result:
    """What came out of a training, and what it was trained on."""

    trained: TrainedDcgan
    form: Pictures | Spectra
    steps: int
    minutes: float


def train(run: Run, settings: DcganSettings, *, show: bool = True) -> Result:
    """Train a DCGAN and write its checkpoint.

    Parameters
    ----------
    run
        Where from, where to.
    settings
        How.
    show
        Whether to leave a line on the terminal after each epoch.

    Raises
    ------
    DataError, ConfigError, CheckpointError
        What is asked for cannot be done; the message says why.
    TrainingError
        The training was interrupted, or diverged.
    """
    last = run.out / "checkpoints" / "last.ckpt"
    settings = checked(settings)
    _check_start(run, settings, last)
    form = opened(run.data, settings, run.out / DATA_FILE, run.command)
    module = DcganTraining(Game(form, settings))
    before = plans.read(last.parent) if run.resume and not last.exists() else None
    module.plan = None if before is None else before[0]
    with quiet():
        trainer = L.Trainer(
            accelerator=run.accelerator,
            devices=1,
            max_epochs=-1,
            callbacks=[EpochMedia(run.out, show), LastTurn(last, settings.keep_minutes)],
            logger=TensorBoardLogger(run.out, name="logs", version=""),
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, ckpt_path=str(last) if run.resume and last.exists() else None, weights_only=True)
    trained = _finish(module.cpu(), run)
    checkpoint.save(trained, run.out / MODEL_FILE)
    return Result(trained, form, module.turns, module.seconds / 60)


def _check_start(run: Run, settings: DcganSettings, last: Path) -> None:
    """Refuse to overwrite a training, to resume none, or to resume another one."""
    if run.out.exists() and not run.out.is_dir():
        raise ConfigError(f"{run.out} is a file, and a folder to write to was expected; give another name.")
    begun = last.exists() or (last.parent / plans.FILE_NAME).exists()
    if not run.resume:
        if begun:
            raise ConfigError(f"{run.out} already holds a training; give --resume, or another folder.")
        return
    if not begun:
        raise CheckpointError(f"There is nothing to resume in {run.out}; begin without --resume.")
    kept = before_of(run.out)
    for name in _STAY:
        if getattr(kept, name) != getattr(settings, name):
            raise ConfigError(
                f"The training in {run.out} began with {name} = {getattr(kept, name)}, and cannot go on with "
                f"{getattr(settings, name)}; keep it, or begin anew."
            )


def before_of(out: Path) -> DcganSettings:
    """Give the settings that a training was begun with.

    Raises
    ------
    CheckpointError
        There is no training of a DCGAN.
    """
    last = out / "checkpoints" / "last.ckpt"
    if last.exists():
        found = checkpoints.load_plain(last).get(SETTINGS_KEY, {}).get("config", {})
    else:
        found = (plans.read(last.parent) or (None, {}))[1]
    try:
        if "stitching" in found:
            return DcganSettings(**found)
    except TypeError:
        pass
    raise CheckpointError(f"There is no training of a DCGAN to resume in {out}; begin without --resume.")


def _finish(module: DcganTraining, run: Run) -> TrainedDcgan:
    """Measure what batch norm is to know, and which latents do what."""
    game, settings = module.game, module.game.settings
    game.measure_norms()
    if not all(bool(value.isfinite().all()) for value in game.averaged.state_dict().values()):
        raise TrainingError("The training diverged: its weights are no longer finite; give --learning-rate 1e-4.")
    form = game.form
    latent = None
    if isinstance(form, Spectra):
        turned(game.averaged, form.scale)
        latent = measure(game.averaged, form)
    source = form.source
    provenance = Provenance(
        data=", ".join(part for part in (source.name, source.tool, source.soundfont) if part),
        licence=source.licence,
        date=datetime.date.today().isoformat(),
        command=run.command,
        steps=module.turns,
        seed=settings.seed,
        notes=f"{module.turns} steps of {settings.batch}, {module.seconds / 60:.0f} min of training.",
    )
    shape = (form.channels, form.size) if isinstance(form, Pictures) else None
    return TrainedDcgan(game.averaged.eval(), settings, shape, latent, provenance)
