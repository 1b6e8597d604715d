"""Training of a playable model, from a manifest of notes to a checkpoint that can be exported."""

from __future__ import annotations

from pathlib import Path

import lightning as L

from models.data import manifest
from models.data.manifest import Manifest, Split
from models.harmonics import analysis
from models.harmonics.analysis import Analysis
from models.playable_vae import checkpoint, instrument_presets, latent_measurement, live_sound_encoder
from models.playable_vae.checkpoint import Playable
from models.playable_vae.frame_store import PartialStore
from models.playable_vae.lightning_module import PlayableModule, segment_data
from models.playable_vae.settings import FIXED, PlayableSettings, checked, from_plain
from models.training.callbacks.last_checkpoint import LastCheckpoint
from models.training.callbacks.progress_line import ProgressLine
from models.training.finish import check_finite, names_of, provenance
from models.training.resume import check_unchanged, open_run
from models.training.run_config import Progress, RunConfig, no_progress
from models.training.trainer import fit


def train(
    data: Path,
    run: RunConfig,
    settings: PlayableSettings,
    *,
    on_progress: Progress = no_progress,
    show_progress: bool = True,
) -> Playable:
    """Train a playable model and write its checkpoint.

    Parameters
    ----------
    data
        A manifest of single notes, or the folder that holds it.
    run
        Where to write, and on which device to train.
    settings
        Network and training.
    on_progress
        Called while notes are analysed, and while presets and spectral encoder are fitted; see `Progress`.
    show_progress
        Whether to show the progress of the training on the terminal.

    Returns
    -------
    model : Playable
        With presets, spectral encoder and latent statistics.

    Raises
    ------
    DataError, ConfigError, CheckpointError
        The data, the settings or the run's folder cannot be used.
    TrainingError
        The training was interrupted, or diverged.
    """
    settings = checked(settings)
    started = open_run(run, from_plain)
    if started is not None:
        check_unchanged(started.settings, settings, FIXED)
    sounds = manifest.read(data)
    L.seed_everything(settings.seed, workers=True, verbose=False)
    stores = {split: _store(sounds, split, run, settings, on_progress) for split in manifest.SPLITS}
    frames = segment_data(stores["train"], stores["held-out"], settings)
    module = PlayableModule(settings, frames)
    if started is None or started.checkpoint is None:
        module.fit_scales()
        module.plan = None if started is None else started.plan
    trainer = fit(
        module,
        run,
        data=frames,
        callbacks=[*([ProgressLine()] if show_progress else []), LastCheckpoint(run.last)],
        checkpoint=None if started is None else started.checkpoint,
        check_every=settings.check_every,
        clip=settings.clip,
    )
    model = _with_presets(module, sounds, run, trainer.global_step, on_progress)
    checkpoint.save(model, run.checkpoint)
    return model


def _store(
    sounds: Manifest, split: Split, run: RunConfig, settings: PlayableSettings, on_progress: Progress
) -> PartialStore:
    """Analyse the notes of a split."""
    model, chosen = settings.model, sounds.of_split(split)
    found = analysis.of_sounds(
        sounds,
        chosen,
        Analysis(model.sample_rate, model.hop),
        run.cache_folder("features"),
        on_sound=lambda done, total: on_progress("analysing", done, total),
    )
    return PartialStore.of(chosen, found)


def _with_presets(
    module: PlayableModule, sounds: Manifest, run: RunConfig, steps: int, on_progress: Progress
) -> Playable:
    """Fit presets and spectral encoder to the trained network, and measure its latent space."""
    vae, settings, store = module.vae.cpu().eval(), module.settings, module.frames.train
    check_finite(vae)
    figures = f"{len(store.sounds)} sounds trained on, {len(sounds.of_split('held-out'))} held out"
    source = provenance(
        run,
        names_of(sounds.source),
        [sounds.source.licence],
        steps=steps,
        seed=settings.seed,
        notes=f"{figures}; {module.seconds / 60:.0f} min of training.",
    )
    steps, seed = settings.fit_steps, settings.seed
    presets = instrument_presets.fit(
        vae, store, steps=steps, seed=seed, on_step=lambda done, total: on_progress("fitting presets", done, total)
    )
    encoder = live_sound_encoder.fit(
        vae, store, steps=steps, seed=seed, on_step=lambda done, total: on_progress("learning to hear", done, total)
    )
    return Playable(vae, presets, encoder, latent_measurement.measure(vae, store), source)
