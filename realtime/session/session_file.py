"""The session file: everything that comes back after a restart, as JSON.

A file is replaced whole, so that it is whole whenever the program or the machine dies.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from export.errors import GlitchError
from realtime.ipc.layout import LETTERS
from realtime.library.library import Library
from realtime.snapshots.store import DeckSnapshot, Rule, Snapshot, SnapshotError, Snapshots

FORMAT = 1
SCRATCH = ".scratch"  # how names of files end that are being written


class SessionFileError(GlitchError):
    """A session file that cannot be read or written, or says what cannot be."""


@dataclass(frozen=True)
class DeckEntry:
    """What a deck played.

    Attributes
    ----------
    model, path, sha256
        Its model: the name that the library knows it by, its file and that file's digest. Empty where it played none.
    effects
        Its effects in their order, as plain JSON.
    values
        By address, without the letter.
    """

    model: str = ""
    path: str = ""
    sha256: str = ""
    effects: tuple[dict[str, Any], ...] = ()
    values: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SessionFile:
    """What the file holds.

    Attributes
    ----------
    focus
        The letter of the deck in focus.
    host
        The host's values, by address.
    decks
        By letter.
    snapshots
        In the order of their numbers.
    corners
        Names of the snapshots that the morph is between; none, or two to four.
    exclusions
        The player's rules of what a recall leaves alone.
    told
        What was in the file and is left out, a sentence each: this version doesn't know it.
    """

    focus: str = LETTERS[0]
    host: dict[str, float] = field(default_factory=dict)
    decks: dict[str, DeckEntry] = field(default_factory=dict)
    snapshots: tuple[Snapshot, ...] = ()
    corners: tuple[str, ...] = ()
    exclusions: tuple[Rule, ...] = ()
    told: tuple[str, ...] = field(default=(), compare=False)

    def store(self) -> Snapshots:
        """Make the store of its snapshots."""
        return Snapshots(self.snapshots, self.exclusions, self.corners)


def read(path: str | os.PathLike[str]) -> SessionFile:
    """Read a session file.

    Raises
    ------
    SessionFileError
        It is missing, is no session file or of a later format, or one of its keys doesn't fit, which is named.
    """
    path = Path(path)
    try:
        told = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SessionFileError(f"There is no session {path}; check the path.") from None
    except OSError as error:
        raise SessionFileError(f"The session {path} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise SessionFileError(f"{path} is no session file: it is no text.") from None
    try:
        return from_json(told)
    except SessionFileError as error:
        before = backup(path)
        hint = f" What was there before is in {before.name}." if before.exists() else ""
        raise SessionFileError(f"The session {path} cannot be used: {error}{hint}") from None


def from_json(text: str) -> SessionFile:
    """Make a session file of its text; raises `SessionFileError`, which names the key that doesn't fit."""
    try:
        data = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError) as error:
        raise SessionFileError(
            f"it is not JSON ({str(error)[:80]}); give a file that glitch-live has written, or a new name."
        ) from None
    reader = _Reader()
    version = data.get("format") if isinstance(data, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise SessionFileError(f'it should begin with {{"format": {FORMAT}.')
    if version > FORMAT:
        raise SessionFileError(f"it has format {version}, and this version reads up to {FORMAT}; update glitch-live.")
    file = reader.session(data)
    try:
        file.store()
    except SnapshotError as error:
        raise SessionFileError(str(error)) from None
    return file


def to_json(file: SessionFile) -> str:
    """Write a session file as JSON: a snapshot a line, for those who compare files.

    Raises
    ------
    SessionFileError
        It holds what JSON cannot.
    """
    entries = {
        "format": FORMAT,
        "focus": file.focus,
        "host": file.host,
        "decks": {letter: vars(deck) for letter, deck in file.decks.items()},
        "corners": file.corners,
        "exclusions": [{"include" if rule.included else "exclude": rule.pattern} for rule in file.exclusions],
    }
    try:  # piece by piece, since no other thread runs while a piece is made
        lines = [f" {json.dumps(key)}: {_json(value)}" for key, value in entries.items()]
        snapshots = ",\n".join(f"  {_json(_plain(snapshot))}" for snapshot in file.snapshots)
    except (ValueError, TypeError) as error:
        raise SessionFileError(f"The session holds what cannot be written ({error}).") from None
    lines.append(f' "snapshots": [\n{snapshots}\n ]')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def write(path: str | os.PathLike[str], file: SessionFile) -> None:
    """Write a session file: the whole of it, or nothing. The permissions of the one before stay, and so do links.

    Raises
    ------
    SessionFileError
        It cannot be written; what was there before is still there.
    """
    data = to_json(file).encode("ascii")
    try:
        replace_file(Path(os.path.realpath(path)), data)
    except OSError as error:
        raise SessionFileError(f"The session {path} cannot be written: {error.strerror or error}.") from None


def backup(path: Path) -> Path:
    """Say where what was in a session file before is kept: beside it, through links."""
    real = Path(os.path.realpath(path))
    return real.with_name(f"{real.name}~")


def is_scratch(path: Path, of: Path) -> bool:
    """Say whether a file is what writing another had begun with."""
    return path.name.startswith(f".{of.name}.") and path.name.endswith(SCRATCH)


def replace_file(path: Path, data: bytes) -> None:
    """Put data in the place of a file, on the disk and not only on its way there."""
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}{SCRATCH}")
    try:
        with open(scratch, "xb") as file:
            file.write(data)
            file.flush()
            with contextlib.suppress(FileNotFoundError):
                scratch.chmod(stat.S_IMODE(path.stat().st_mode))
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the new name is on the disk when the folder is
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def resolve(entry: DeckEntry, library: Library, say: Callable[[str], None]) -> Path | None:
    """Find the model that a deck played: where it was, else by its name in the library, else by its digest there.

    Parameters
    ----------
    say
        Called with a sentence where it isn't the same model, or isn't there.

    Returns
    -------
    Path or None
        None where there is none, or the deck played none.
    """
    if not (entry.model or entry.path or entry.sha256):
        return None
    there = Path(entry.path)
    if entry.path and there.is_file():
        if not _is_same(there, entry):
            say(f"{there} is another model than when the session was saved; it is played as it is now.")
        return there
    names = library.names()
    if entry.model in names:
        found = library.find(entry.model)
        if not _is_same(found, entry):
            say(f"The library's '{entry.model}' is another model than when the session was saved; it plays instead.")
        return found
    for name in names if entry.sha256 else ():
        if _is_same(library.find(name), entry):
            say(f"The model '{entry.model}' is called '{name}' in the library now.")
            return library.find(name)
    say(f"The model '{entry.model}' is neither at {entry.path or 'its path'} nor in the library; put it into either.")
    return None


def sha256(path: str | os.PathLike[str]) -> str:
    """Give the digest of a file, read in blocks.

    Raises
    ------
    SessionFileError
        It cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SessionFileError(f"Cannot read {os.fspath(path)}: {error.strerror or error}.") from None


class _Reader:
    """Takes JSON apart, naming the key that doesn't fit, and noting those that nobody knows."""

    def __init__(self) -> None:
        self._told: list[str] = []

    def session(self, data: dict[str, Any]) -> SessionFile:
        known = ("format", "focus", "host", "decks", "corners", "exclusions", "snapshots")
        self._note(data.keys() - set(known), "")
        focus = _string(data.get("focus", LETTERS[0]), "focus")
        _expect(focus in LETTERS, f"focus must be one of {', '.join(LETTERS)}, not {focus!r:.40}")
        decks = self._letters(data.get("decks", {}), "decks")
        return SessionFile(
            focus=focus,
            host=_values(data.get("host", {}), "host"),
            decks={letter: self._deck(deck, f"decks.{letter}") for letter, deck in decks.items()},
            snapshots=tuple(
                self._snapshot(one, f"snapshots[{k}]") for k, one in _items(data.get("snapshots", []), "snapshots")
            ),
            corners=tuple(_string(one, f"corners[{k}]") for k, one in _items(data.get("corners", []), "corners")),
            exclusions=tuple(
                _rule(one, f"exclusions[{k}]") for k, one in _items(data.get("exclusions", []), "exclusions")
            ),
            told=tuple(self._told),
        )

    def _deck(self, data: object, where: str) -> DeckEntry:
        entry = _object(data, where)
        self._note(entry.keys() - {"model", "path", "sha256", "effects", "values"}, where)
        effects = _items(entry.get("effects", []), f"{where}.effects")
        return DeckEntry(
            model=_string(entry.get("model", ""), f"{where}.model"),
            path=_string(entry.get("path", ""), f"{where}.path"),
            sha256=_string(entry.get("sha256", ""), f"{where}.sha256"),
            effects=tuple(_object(one, f"{where}.effects[{k}]") for k, one in effects),
            values=_values(entry.get("values", {}), f"{where}.values"),
        )

    def _snapshot(self, data: object, where: str) -> Snapshot:
        entry = _object(data, where)
        self._note(entry.keys() - {"name", "number", "host", "decks"}, where)
        number = _need(entry, "number", where)
        _expect(isinstance(number, int) and not isinstance(number, bool), f"{where}.number must be a whole number")
        decks = self._letters(entry.get("decks", {}), f"{where}.decks")
        try:
            return Snapshot(
                name=_string(_need(entry, "name", where), f"{where}.name"),
                number=number,
                host=_values(entry.get("host", {}), f"{where}.host"),
                decks={letter: self._deck_snapshot(deck, f"{where}.decks.{letter}") for letter, deck in decks.items()},
            )
        except SnapshotError as error:
            raise SessionFileError(f"{where}: {error}") from None

    def _deck_snapshot(self, data: object, where: str) -> DeckSnapshot:
        entry = _object(data, where)
        self._note(entry.keys() - {"model", "sha256", "values", "state"}, where)
        state = entry.get("state")
        return DeckSnapshot(
            model=_string(_need(entry, "model", where), f"{where}.model"),
            sha256=_string(entry.get("sha256", ""), f"{where}.sha256"),
            values=_values(entry.get("values", {}), f"{where}.values"),
            state=None if state is None else _string(state, f"{where}.state"),
        )

    def _letters(self, data: object, where: str) -> dict[str, Any]:
        decks = _object(data, where)
        self._note(decks.keys() - set(LETTERS), where)
        return {letter: deck for letter, deck in decks.items() if letter in LETTERS}

    def _note(self, unknown: Iterable[str], where: str) -> None:
        self._told += [f"{where}.{key} is not known, and left out.".removeprefix(".") for key in sorted(unknown)]


def _rule(data: object, where: str) -> Rule:
    entry = _object(data, where)
    kind = next(iter(entry), "")
    _expect(len(entry) == 1 and kind in ("exclude", "include"), f"{where} must have one key, exclude or include")
    try:
        return Rule(_string(entry[kind], f"{where}.{kind}"), kind == "include")
    except SnapshotError as error:
        raise SessionFileError(f"{where}: {error}") from None


def _values(data: object, where: str) -> dict[str, float]:
    return {address: _number(value, f"{where}.{address}") for address, value in _object(data, where).items()}


def _number(value: object, where: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # of a whole number with hundreds of digits
            return float(value)
    raise SessionFileError(f"{where} must be a number, not {value!r:.40}.")


def _string(value: object, where: str) -> str:
    _expect(isinstance(value, str), f"{where} must be a text, not {value!r:.40}")
    return str(value)


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SessionFileError(f"{where} must be an object, not {value!r:.40}.")
    return value


def _items(value: object, where: str) -> Iterable[tuple[int, Any]]:
    if not isinstance(value, list):
        raise SessionFileError(f"{where} must be a list, not {value!r:.40}.")
    return enumerate(value)


def _need(entry: Mapping[str, Any], key: str, where: str) -> Any:
    _expect(key in entry, f"{where}.{key} is missing")
    return entry[key]


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise SessionFileError(f"{otherwise}.")


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number:.20} is not a finite number")
    return value


def _json(value: object) -> str:
    return json.dumps(value, allow_nan=False)


def _plain(snapshot: Snapshot) -> dict[str, Any]:
    return vars(snapshot) | {"decks": {letter: vars(deck) for letter, deck in snapshot.decks.items()}}


def _is_same(path: Path, entry: DeckEntry) -> bool:
    """Say whether a file is the one that was played; one that cannot be read is not, one without a digest may be."""
    with contextlib.suppress(SessionFileError):
        return not entry.sha256 or sha256(path) == entry.sha256
    return False
