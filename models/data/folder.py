"""Any folder of sounds as a data set: it is only indexed, its files stay where they are."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile

from models.data import manifest
from models.data.manifest import DataError, Manifest, Skipped, Sound, Source
from models.features import Analysis

EXTENSIONS = (".wav", ".flac", ".aif", ".aiff", ".ogg", ".mp3")

SHORTEST_SECONDS = Analysis().n_fft / Analysis().sample_rate
"""A sound must last for one frame of the analysis at least."""

SMALL_LABEL = 3
"""Labels of fewer sounds are split together."""


@dataclass(frozen=True)
class Settings:
    """How a folder is split: the share of each label that is held out, and the seed of the choice."""

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

    A sound's label is the first folder on its way, or the name of `folder` itself if it lies right there. Of each label
    of three sounds and more the share is held out, and one at least; smaller labels are split together. Which sounds
    those are follows from their relative paths and the seed: adding one to such a label moves at most one other of it,
    and none of another such label, across the split.

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
        Its `skipped` lists the files that cannot be read or are shorter than a frame, each with the reason.

    Raises
    ------
    DataError
        There is no such folder, or no sound in it that can be used; or `out` is no name for a manifest.
    """
    if folder.is_file():
        raise DataError(f"{folder} is a file, and a folder was expected; give the folder that the sounds lie in.")
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}; check the path.")
    if not 0 < settings.held_out < 1:
        raise DataError(f"The held-out share must be between 0 and 1, not {settings.held_out:g}.")
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in EXTENSIONS and p.is_file())
    out = out / manifest.FILE_NAME if out.is_dir() or not out.suffix else out
    if out.suffix != ".json":
        raise DataError(f"A manifest is a .json file, and {out} is none; call it {out.with_suffix('.json')}.")
    sounds: list[Sound] = []
    places: list[str] = []
    skipped: list[Skipped] = []
    for done, path in enumerate(paths, 1):
        relative = path.relative_to(folder)
        listed = Path(os.path.relpath(path, out.parent)).as_posix()
        label = relative.parts[0] if len(relative.parts) > 1 else folder.resolve().name
        try:
            sounds.append(_sound(path, listed, label))
            places.append(relative.as_posix())
        except (soundfile.LibsndfileError, OSError, RuntimeError, ValueError) as error:
            reason = str(error).strip() or type(error).__name__
            skipped.append(Skipped(listed, reason))
        on_file(done, len(paths))
    if not sounds:
        first = skipped[0] if skipped else None
        found = (
            f"of {len(skipped)} none can be used ({first.path}: {first.reason})" if first else "there are none there"
        )
        raise DataError(f"No sounds ({', '.join(EXTENSIONS)}) to index in {folder}: {found.removesuffix('.')}.")
    made = Manifest(
        folder=out.parent,
        source=Source(name=folder.resolve().name, licence=licence, command=command),
        sounds=_split(sounds, places, settings),
        skipped=tuple(skipped),
    )
    manifest.write(made, out)
    return made


def _sound(path: Path, listed: str, label: str) -> Sound:
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
    if frames / rate < SHORTEST_SECONDS:
        lasts, least = 1000 * frames / rate, 1000 * SHORTEST_SECONDS
        raise ValueError(f"It lasts {lasts:.1f} ms and is shorter than a frame ({least:.1f} ms).")
    return Sound(path=listed, label=label, seconds=frames / rate, sample_rate=rate, channels=channels, split="train")


def _draw(path: str, seed: int) -> float:
    """Draw a number from 0 to 1 that depends on the path and the seed alone."""
    digest = hashlib.sha256(f"{seed}:{path}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _split(sounds: list[Sound], places: list[str], settings: Settings) -> tuple[Sound, ...]:
    """Hold out the share of each label, those whose paths draw the lowest numbers; at least one sound trains."""
    counts = Counter(sound.label for sound in sounds)
    groups: dict[str | None, list[int]] = {}
    for k, sound in enumerate(sounds):
        groups.setdefault(sound.label if counts[sound.label] >= SMALL_LABEL else None, []).append(k)
    held_out: set[int] = set()
    for group in groups.values():
        count = max(1, round(settings.held_out * len(group)))
        held_out.update(sorted(group, key=lambda k: _draw(places[k], settings.seed))[: min(count, len(group) - 1)])
    return tuple(replace(sound, split="held-out") if k in held_out else sound for k, sound in enumerate(sounds))
