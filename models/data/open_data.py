"""Opening of data sets: a manifest, or an unprepared folder of sounds."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from models.data import folder, held_out_split, manifest
from models.data.held_out_split import HoldOut
from models.data.manifest import Manifest
from models.files.errors import DataError


@dataclass(frozen=True)
class DataRequest:
    """A data set to open, and how to split it.

    `data` is a manifest, a folder with one, or a folder of sounds. `hold_out` is what is held out; None keeps the split
    of a manifest, and holds out files of a folder. `share` is the share to hold out, `seed` the seed of the choice.
    """

    data: Path
    hold_out: HoldOut | None = None
    share: float = 0.2
    seed: int = 0


@dataclass(frozen=True)
class Opened:
    """The sounds, and whether they are `raw`: from a folder without a manifest."""

    sounds: Manifest
    raw: bool


def open_data(
    request: DataRequest,
    listed: Path,
    *,
    command: str = "",
    on_file: Callable[[int, int], None] = lambda done, total: None,
) -> Opened:
    """Open a data set.

    Parameters
    ----------
    request
        The data set, and how to split it.
    listed
        The manifest to write if the folder has none or is split again.
    command
        Command line to record in that manifest.
    on_file
        Called after each file that is read with the number done and the total.

    Returns
    -------
    opened : Opened

    Raises
    ------
    DataError
        There are no usable sounds.
    """
    data = request.data
    if is_raw(data):
        settings = folder.Settings(request.share, request.seed, request.hold_out or "file")
        return Opened(folder.index(data, listed, settings, command=command, on_file=on_file), raw=True)
    if not data.exists():
        raise DataError(f"There is no folder and no manifest {data}; check the path.")
    found = manifest.read(data)
    if request.hold_out is None:
        return Opened(found, raw=False)
    resplit = held_out_split.hold_out(found.sounds, by=request.hold_out, share=request.share, seed=request.seed)
    made = move(replace(found, sounds=resplit), listed.parent)
    manifest.write(made, listed)
    return Opened(made, raw=False)


def move(sounds: Manifest, place: Path) -> Manifest:
    """Make the paths of the same files relative to another folder."""
    moved = [
        replace(sound, path=Path(os.path.relpath(sounds.path_of(sound), place)).as_posix()) for sound in sounds.sounds
    ]
    return replace(sounds, folder=place, sounds=tuple(moved))


def open_shared(
    request: DataRequest,
    listed: Path,
    *,
    command: str = "",
    on_file: Callable[[int, int], None] = lambda done, total: None,
) -> Opened:
    """Open a data set as `open_data` does, but use the manifest `listed` if another process has written it."""
    if listed.is_file():
        return Opened(manifest.read(listed), raw=is_raw(request.data))
    return open_data(request, listed, command=command, on_file=on_file)


def is_raw(data: Path) -> bool:
    """Return whether a path is a folder without a manifest."""
    return data.is_dir() and not (data / manifest.FILE_NAME).is_file()


def summary(sounds: Manifest) -> list[str]:
    """Return lines that summarise a data set and its skipped files."""
    minutes = sum(sound.seconds for sound in sounds.sounds) / 60
    return [
        *(f"skipped {entry.path}: {entry.reason}" for entry in sounds.skipped),
        f"{len(sounds.sounds)} sounds, {minutes:.1f} min, {len(sounds.labels)} labels, "
        f"{len(sounds.of_split('held-out'))} held out; {len(sounds.skipped)} files skipped.",
    ]
