"""Whatever sounds somebody points at, as a data set: a manifest, or a folder that nobody prepared."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from models.data import folder, manifest, split
from models.data.manifest import Manifest
from models.data.split import HoldOut
from models.files.errors import DataError


@dataclass(frozen=True)
class Wanted:
    """What to open, and how it is split.

    `data` is a manifest, a folder that holds one, or a folder of sounds. `hold_out` says what is held out; None keeps
    the split of a manifest, and holds out files of a folder. `share` and `seed` are those of the choice.
    """

    data: Path
    hold_out: HoldOut | None = None
    share: float = 0.2
    seed: int = 0


@dataclass(frozen=True)
class Opened:
    """The sounds, and whether they are `raw`: in a folder that nobody prepared."""

    sounds: Manifest
    raw: bool


def open_data(
    wanted: Wanted,
    listed: Path,
    *,
    command: str = "",
    on_file: Callable[[int, int], None] = lambda done, total: None,
) -> Opened:
    """Open a data set.

    Parameters
    ----------
    wanted
        What and how.
    listed
        The manifest to write where the folder has none, or is split anew.
    command
        Where that manifest comes from.
    on_file
        Called after each file that is read with how many are done and how many there are.

    Raises
    ------
    DataError
        There are no sounds that can be used.
    """
    data = wanted.data
    if is_raw(data):
        settings = folder.Settings(wanted.share, wanted.seed, wanted.hold_out or "file")
        return Opened(folder.index(data, listed, settings, command=command, on_file=on_file), raw=True)
    if not data.exists():
        raise DataError(f"There is no folder and no manifest {data}; check the path.")
    found = manifest.read(data)
    if wanted.hold_out is None:
        return Opened(found, raw=False)
    again = split.hold_out(found.sounds, by=wanted.hold_out, share=wanted.share, seed=wanted.seed)
    made = move(replace(found, sounds=again), listed.parent)
    manifest.write(made, listed)
    return Opened(made, raw=False)


def move(sounds: Manifest, place: Path) -> Manifest:
    """Say of the same files where they lie seen from another folder."""
    moved = [
        replace(sound, path=Path(os.path.relpath(sounds.path_of(sound), place)).as_posix()) for sound in sounds.sounds
    ]
    return replace(sounds, folder=place, sounds=tuple(moved))


def open_shared(
    wanted: Wanted,
    listed: Path,
    *,
    command: str = "",
    on_file: Callable[[int, int], None] = lambda done, total: None,
) -> Opened:
    """Open a data set as `open_data` does, but take what another has listed already as it is."""
    if listed.is_file():
        return Opened(manifest.read(listed), raw=is_raw(wanted.data))
    return open_data(wanted, listed, command=command, on_file=on_file)


def is_raw(data: Path) -> bool:
    """Whether this is a folder without a manifest."""
    return data.is_dir() and not (data / manifest.FILE_NAME).is_file()


def summary(sounds: Manifest) -> list[str]:
    """Say in lines what a data set is, and which files were skipped."""
    minutes = sum(sound.seconds for sound in sounds.sounds) / 60
    return [
        *(f"skipped {entry.path}: {entry.reason}" for entry in sounds.skipped),
        f"{len(sounds.sounds)} sounds, {minutes:.1f} min, {len(sounds.labels)} labels, "
        f"{len(sounds.of_split('held-out'))} held out; {len(sounds.skipped)} files skipped.",
    ]
