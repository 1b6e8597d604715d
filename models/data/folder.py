"""Any folder of sounds as a data set: it is only indexed, its files stay where they are."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from models.data import manifest
from models.data.manifest import DataError, Manifest, Skipped, Sound, Source

EXTENSIONS = (".wav", ".flac", ".aif", ".aiff", ".ogg", ".mp3")


@dataclass(frozen=True)
class Settings:
    """How a folder is split: the share that is held out, and the seed of the choice."""

    held_out: float = 0.2
    seed: int = 0


def index(
    folder: Path,
    out: Path,
    settings: Settings,
    *,
    command: str = "",
    licence: str = "",
    on_file: Callable[[int, int], None] = lambda done, total: None,
) -> Manifest:
    """List the sounds in a folder and in those below it, and write their manifest.

    A sound's label is the first folder on its way, or the name of `folder` itself if it lies right there. Whether it is
    held out follows from its relative path and the seed alone, so adding sounds moves no other across the split.

    Parameters
    ----------
    folder
        Where the sounds are: WAV, FLAC, AIFF, OGG or MP3, of any rate and channel count.
    out
        The manifest to write; a folder gets a `manifest.json`.
    settings
        How to split.
    command, licence
        Where the manifest comes from, and what the sounds' licence is.
    on_file
        Called after each file with how many are done and how many there are.

    Returns
    -------
    Manifest
        Its `skipped` lists the files that could not be read, each with the reason.

    Raises
    ------
    DataError
        There is no such folder, or no sound in it that can be read.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}; check the path.")
    if not 0 < settings.held_out < 1:
        raise DataError(f"The held-out share must be between 0 and 1, not {settings.held_out:g}.")
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in EXTENSIONS and p.is_file())
    out = out / manifest.FILE_NAME if out.is_dir() or not out.suffix else out
    sounds: list[Sound] = []
    skipped: list[Skipped] = []
    for done, path in enumerate(paths, 1):
        relative = path.relative_to(folder)
        listed = Path(os.path.relpath(path, out.parent)).as_posix()
        label = relative.parts[0] if len(relative.parts) > 1 else folder.resolve().name
        try:
            sounds.append(_sound(path, relative, listed, label, settings))
        except (soundfile.LibsndfileError, OSError, RuntimeError, ValueError) as error:
            reason = str(error).strip() or type(error).__name__
            skipped.append(Skipped(listed, reason))
        on_file(done, len(paths))
    if not sounds:
        found = f"{len(skipped)} files there could not be read" if skipped else "there are none there"
        raise DataError(f"No sounds ({', '.join(EXTENSIONS)}) to index in {folder}: {found}.")
    made = Manifest(
        folder=out.parent,
        source=Source(name=folder.resolve().name, licence=licence, command=command),
        sounds=_with_both_splits(sounds, settings.seed),
        skipped=tuple(skipped),
    )
    manifest.write(made, out)
    return made


def _sound(path: Path, relative: Path, listed: str, label: str, settings: Settings) -> Sound:
    """Read a file to its end, so that a broken one is found now and not in the middle of a training."""
    frames, peak = 0, 0.0
    with soundfile.SoundFile(path) as file:
        rate, channels = file.samplerate, file.channels
        for block in file.blocks(blocksize=1 << 16, dtype="float32"):
            frames += len(block)
            peak = max(peak, float(np.abs(block).max(initial=0.0)))
    if not frames:
        raise ValueError("It holds no samples.")
    if not np.isfinite(peak):
        raise ValueError("It holds values that are not finite.")
    if peak == 0:
        raise ValueError("It holds nothing but silence.")
    held_out = _draw(relative.as_posix(), settings.seed) < settings.held_out
    return Sound(
        path=listed,
        label=label,
        seconds=frames / rate,
        sample_rate=rate,
        channels=channels,
        split="held-out" if held_out else "train",
    )


def _draw(path: str, seed: int) -> float:
    """Draw a number from 0 to 1 that depends on the path and the seed alone."""
    digest = hashlib.sha256(f"{seed}:{path}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _with_both_splits(sounds: list[Sound], seed: int) -> tuple[Sound, ...]:
    """Move one sound across if a small folder left a split empty."""
    for wanted in manifest.SPLITS:
        if len(sounds) > 1 and all(sound.split != wanted for sound in sounds):
            chosen = min(range(len(sounds)), key=lambda k: _draw(sounds[k].path, seed))
            moved = Sound(**{**vars(sounds[chosen]), "split": wanted})
            sounds = [*sounds[:chosen], moved, *sounds[chosen + 1 :]]
    return tuple(sounds)
