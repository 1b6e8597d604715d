"""The manifest: the list of sounds that a model is trained and evaluated on.

A manifest is a JSON file. Its paths are relative to its own folder, so that a data set can be moved.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, cast

from models.files.errors import DataError

VERSION = 1
FILE_NAME = "manifest.json"
Split = Literal["train", "held-out"]

SPLITS: tuple[Split, ...] = ("train", "held-out")

_REMEDY = (
    "make one with 'glitch-lab data folder SOUNDS manifest.json', 'data orchestra' or 'data voices', or give the "
    "data.json that a training keeps in its folder"
)


@dataclass(frozen=True)
class Sound:
    """One audio file, or a piece of one.

    `pitch` is a MIDI note number and `velocity` a MIDI velocity, if known. A model never trains on sounds of the split
    "held-out". If `start` (seconds) is given, the sound is the part of the file of length `seconds` from there.
    """

    path: str
    label: str
    seconds: float
    sample_rate: int
    split: Split
    channels: int = 1
    pitch: float | None = None
    velocity: int | None = None
    start: float | None = None


@dataclass(frozen=True)
class Skipped:
    """An unusable file, and the reason."""

    path: str
    reason: str


@dataclass(frozen=True)
class Source:
    """Origin of the sounds: how to make them again, and the licence of models trained on them."""

    name: str
    licence: str = ""
    command: str = ""
    tool: str = ""
    soundfont: str = ""
    soundfont_sha256: str = ""


@dataclass(frozen=True)
class Manifest:
    """The sounds of a data set, the skipped files, and the origin."""

    folder: Path
    source: Source
    sounds: tuple[Sound, ...]
    skipped: tuple[Skipped, ...] = ()

    def of_split(self, split: Split) -> tuple[Sound, ...]:
        """Return the sounds of one split, in the order of the manifest."""
        return tuple(sound for sound in self.sounds if sound.split == split)

    def path_of(self, sound: Sound) -> Path:
        """Return the path of a sound's file."""
        return self.folder / sound.path

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the sounds, sorted."""
        return tuple(sorted({sound.label for sound in self.sounds}))


def read(path: str | os.PathLike[str]) -> Manifest:
    """Read and check a manifest.

    Parameters
    ----------
    path
        The manifest, or the folder with `manifest.json`.

    Returns
    -------
    manifest : Manifest

    Raises
    ------
    DataError
        The file is missing or is no manifest; the message names the wrong entry.
    """
    path = Path(path)
    if path.is_dir():
        path = path / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"There is no manifest {path}; {_REMEDY}.") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not a manifest, nor a folder that holds one; {_REMEDY}.") from None
    except OSError as error:
        raise DataError(f"Cannot read the manifest {path}: {error.strerror or error}.") from None
    try:
        data = json.loads(text)
    except ValueError as error:
        raise DataError(f"{path} is not a manifest: it is not JSON ({error}); {_REMEDY}.") from None
    try:
        manifest = _from_plain(data, path.parent)
        validate(manifest)
    except DataError as error:
        raise DataError(f"The manifest {path} is wrong: {error}") from None
    return manifest


def write(manifest: Manifest, path: str | os.PathLike[str]) -> None:
    """Check a manifest and write it atomically."""
    validate(manifest)
    data = {
        "version": VERSION,
        "source": asdict(manifest.source),
        "sounds": [asdict(sound) for sound in manifest.sounds],
        "skipped": [asdict(entry) for entry in manifest.skipped],
    }
    path = Path(path)
    scratch = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(scratch, path)
    except OSError as error:
        raise DataError(f"Cannot write the manifest {path}: {error.strerror or error}.") from None


def validate(manifest: Manifest) -> None:
    """Check that a manifest is consistent; its files are not opened.

    Raises
    ------
    DataError
        A sound is wrong; the message names the first one, with the expected and the found value.
    """
    _expect(bool(manifest.sounds), "it lists no sounds.")
    seen: set[tuple[str, float | None]] = set()
    for sound in manifest.sounds:
        where = f"the sound '{sound.path}'"
        _expect(bool(sound.path), "a sound has an empty path.")
        _expect((sound.path, sound.start) not in seen, f"{where} is listed twice.")
        seen.add((sound.path, sound.start))
        start = sound.start
        _expect(start is None or start >= 0, f"{where} must start at 0 s or later, not {start}.")
        _expect(bool(sound.label), f"{where} has no label.")
        _expect(sound.split in SPLITS, f"{where} has the split '{sound.split}'; there are {', '.join(SPLITS)}.")
        _expect(sound.seconds > 0, f"{where} must last longer than 0 s, not {sound.seconds}.")
        _expect(sound.sample_rate > 0, f"{where} must have a sample rate above 0 Hz, not {sound.sample_rate}.")
        _expect(sound.channels > 0, f"{where} must have at least one channel, not {sound.channels}.")
        pitch, velocity = sound.pitch, sound.velocity
        _expect(pitch is None or 0 <= pitch <= 127, f"{where} must have a pitch of 0 to 127, not {pitch}.")
        fits = velocity is None or 1 <= velocity <= 127
        _expect(fits, f"{where} must have a velocity of 1 to 127, not {velocity}.")


_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "str": ("text", lambda value: isinstance(value, str)),
    "int": ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "float": ("a number", lambda value: isinstance(value, int | float) and not isinstance(value, bool)),
    "Split": ("text", lambda value: isinstance(value, str)),
}


def _from_plain(data: Any, folder: Path) -> Manifest:
    _expect(isinstance(data, dict), "it must be an object with 'version', 'source' and 'sounds'.")
    version = data.get("version")
    _expect(version == VERSION, f"it has version {version!r}, and this program reads version {VERSION}; make it again.")
    for key in ("sounds", "skipped"):
        _expect(isinstance(data.get(key, []), list), f"'{key}' must be a list.")
    return Manifest(
        folder=folder,
        source=cast(Source, _record(Source, data.get("source", {"name": ""}), "the source")),
        sounds=tuple(
            cast(Sound, _record(Sound, entry, f"entry {k} of 'sounds'")) for k, entry in enumerate(data["sounds"])
        )
        if "sounds" in data
        else (),
        skipped=tuple(
            cast(Skipped, _record(Skipped, entry, f"entry {k} of 'skipped'"))
            for k, entry in enumerate(data.get("skipped", []))
        ),
    )


def _record(kind: type[Source] | type[Sound] | type[Skipped], data: Any, where: str) -> Source | Sound | Skipped:
    """Convert a JSON object to a dataclass; errors name the wrong entry."""
    _expect(isinstance(data, dict), f"{where} must be an object.")
    known = {entry.name: entry for entry in fields(kind)}
    unknown = sorted(data.keys() - known.keys())
    _expect(not unknown, f"{where} has the unknown entry '{', '.join(unknown)}'.")
    for name, entry in known.items():
        if name not in data:
            _expect(entry.default is not _NO_DEFAULT, f"{where} lacks '{name}'.")
            continue
        type_name, _, optional = str(entry.type).partition(" | ")
        text, fits = _TYPES[type_name]
        allowed = fits(data[name]) or (optional == "None" and data[name] is None)
        _expect(allowed, f"{where}: '{name}' must be {text}, not {data[name]!r}.")
    return kind(**data)


_NO_DEFAULT = fields(Skipped)[0].default


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise DataError(otherwise)
