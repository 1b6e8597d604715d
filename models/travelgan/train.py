"""Training of a TraVeLGAN, from two folders of sounds to a checkpoint that can be exported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import lightning as L

from models.data.manifest import SPLITS, Manifest, Split
from models.data.open_data import DataRequest, open_shared
from models.dsp.log_mel import LogMel
from models.files.errors import DataError
from models.training.callbacks.last_checkpoint import LastCheckpoint
from models.training.callbacks.progress_line import ProgressLine
from models.training.finish import check_finite, provenance
from models.training.resume import check_unchanged, open_run
from models.training.run_config import Progress, RunConfig, no_progress
from models.training.trainer import fit
from models.travelgan import checkpoint
from models.travelgan.checkpoint import TrainedGenerator
from models.travelgan.domain_spectra import MIN_SHARE, Spectra, of_split
from models.travelgan.lightning_module import TravelModule
from models.travelgan.previews import PairPreviews
from models.travelgan.settings import FIXED, TravelSettings, from_plain

PICTURES = "pictures"


@dataclass(frozen=True)
class Trained:
    """A finished training: the model, and the spectra of source and target, trained on and held out."""

    model: TrainedGenerator
    train: tuple[Spectra, Spectra]
    held_out: tuple[Spectra, Spectra]


def train(
    source: Path,
    target: Path,
    run: RunConfig,
    settings: TravelSettings,
    *,
    on_progress: Progress = no_progress,
    show_progress: bool = True,
) -> Trained:
    """Train a generator that transforms one domain into the other, and write its checkpoint.

    Parameters
    ----------
    source, target
        Manifests, folders that hold one, or any folders of sounds.
    run
        Where to write, and on which device to train.
    settings
        Networks and training.
    on_progress
        Called while sounds are analysed; see `Progress`.
    show_progress
        Whether to show the progress of the training on the terminal.

    Returns
    -------
    trained : Trained
        The generator with averaged weights.

    Raises
    ------
    DataError, ConfigError, CheckpointError
        The data, the settings or the run's folder cannot be used.
    TrainingError
        The training was interrupted, or diverged.
    """
    started = open_run(run, from_plain)
    if started is not None:
        check_unchanged(started.settings, settings, FIXED)
    domains = [
        open_shared(DataRequest(data, seed=settings.seed), run.out / f"{name}.json", command=run.command).sounds
        for name, data in (("source", source), ("target", target))
    ]
    found = {
        split: [_spectra(sounds, split, run, settings.scale, on_progress) for sounds in domains] for split in SPLITS
    }
    trained, held_out = (tuple(found[split]) for split in SPLITS)
    for sounds, spectra in zip(domains, trained, strict=True):
        _check_duration(sounds, spectra, settings)
    L.seed_everything(settings.seed, workers=True, verbose=False)
    module = TravelModule(settings, (trained[0], trained[1]), (held_out[0], held_out[1]))
    if started is not None and started.checkpoint is None:
        module.plan = started.plan
    trainer = fit(
        module,
        run,
        callbacks=[
            *([ProgressLine()] if show_progress else []),
            PairPreviews(run.out / PICTURES),
            LastCheckpoint(run.last),
        ],
        checkpoint=None if started is None else started.checkpoint,
        check_every=settings.check_every,
    )
    model = _averaged_model(module, domains, run, trainer.global_step)
    checkpoint.save(model, run.checkpoint)
    return Trained(model, module.draws.domains, module.held_out)


def _spectra(sounds: Manifest, split: Split, run: RunConfig, scale: LogMel, on_progress: Progress) -> Spectra:
    """Compute the spectra of a split of a domain."""
    name = sounds.source.name or "sounds"
    cache = run.cache_folder("spectra")
    return of_split(
        sounds, split, scale, cache, lambda done, total: on_progress(f"analysing {name}, {split}", done, total)
    )


def _check_duration(sounds: Manifest, spectra: Spectra, settings: TravelSettings) -> None:
    """Refuse a domain whose sounds are all much shorter than a training spectrogram."""
    least, scale = settings.frames // MIN_SHARE, settings.scale
    if all(value.shape[1] < least for value in spectra.values):
        seconds = least * scale.hop / scale.sample_rate
        raise DataError(f"No sound of '{sounds.source.name}' lasts {seconds:.2f} s; give it longer ones.")


def _averaged_model(module: TravelModule, domains: list[Manifest], run: RunConfig, steps: int) -> TrainedGenerator:
    """Make the trained model from the averaged weights."""
    settings, network = module.settings, module.averaged.cpu().eval()
    check_finite(network)
    counts = ", ".join(f"{len(sounds.of_split('train'))} {sounds.source.name}" for sounds in domains)
    source = provenance(
        run,
        [name for sounds in domains for name in (sounds.source.name, sounds.source.tool)],
        [sounds.source.licence for sounds in domains],
        steps=steps,
        seed=settings.seed,
        notes=f"Sounds trained on: {counts}; {module.seconds / 60:.0f} min of training.",
        join="; ",
    )
    return TrainedGenerator(network, settings.model, settings.scale, tuple(module.networks.lengths), source)
