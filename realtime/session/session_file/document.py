"""The contents of a session file, as dataclasses, to JSON and back."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from typing import Any

from export.errors import GlitchError
from export.format.dataclass_json import JsonError, from_plain, to_plain
from realtime.ipc.memory_layout import LETTERS
from realtime.snapshots.recall_exclusions import Rule
from realtime.snapshots.snapshot import Letter, Snapshot, SnapshotError
from realtime.snapshots.store import Snapshots

FORMAT = 1


class SessionFileError(GlitchError):
    """A session file that cannot be read or written, or has invalid contents."""


@dataclass(frozen=True)
class DeckEntry:
    """A deck in a session file.

    Attributes
    ----------
    model, path, sha256
        Its model: the name in the library, the file, and the digest of that file. Empty where it played none.
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
    """The contents of a session file.

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
        Names of the snapshots that are the corners of the morph: none, or two to four.
    exclusions
        The player's own rules of what a recall leaves alone.
    unknown
        Entries of the file that this version doesn't know and left out, one sentence each.
    """

    focus: str = LETTERS[0]
    host: dict[str, float] = field(default_factory=dict)
    decks: dict[str, DeckEntry] = field(default_factory=dict)
    snapshots: tuple[Snapshot, ...] = ()
    corners: tuple[str, ...] = ()
    exclusions: tuple[Rule, ...] = ()
    unknown: tuple[str, ...] = field(default=(), compare=False)

    def store(self) -> Snapshots:
        """Return the store of its snapshots; raises `SnapshotError` where they contradict each other."""
        return Snapshots(self.snapshots, self.exclusions, self.corners)


@dataclass(frozen=True)
class Exclusion:
    """A rule as the file has it: a pattern under one of two keys."""

    exclude: str | None = None
    include: str | None = None

    def __post_init__(self) -> None:
        if (self.exclude is None) == (self.include is None):
            raise SessionFileError("it must have one key, exclude or include.")
        self.rule()

    def rule(self) -> Rule:
        """Return the rule; raises `SnapshotError` where its pattern is invalid."""
        return Rule(self.exclude or "") if self.include is None else Rule(self.include, included=True)


@dataclass(frozen=True)
class Document:
    """The JSON of a session file, in the order in which it is written; see `SessionFile`."""

    format: int
    focus: Letter = LETTERS[0]
    host: dict[str, float] = field(default_factory=dict)
    decks: dict[Letter, DeckEntry] = field(default_factory=dict)
    corners: tuple[str, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()


def from_json(text: str) -> SessionFile:
    """Read a session file from its text.

    Returns
    -------
    SessionFile
        Its contents; entries that this version doesn't know are left out and listed in `unknown`.

    Raises
    ------
    SessionFileError
        It isn't a session file, or is one of a later format, or an entry is invalid, which is named.
    """
    try:
        data = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError) as error:
        raise SessionFileError(
            f"it is not JSON ({str(error)[:80]}); give a file that glitch-live has written, or a new name."
        ) from None
    version = data.get("format") if isinstance(data, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise SessionFileError(f'it should begin with {{"format": {FORMAT}.')
    if version > FORMAT:
        raise SessionFileError(f"it has format {version}, and this version reads up to {FORMAT}; update glitch-live.")
    unknown: list[str] = []
    try:
        document: Document = from_plain(Document, data, "", on_unknown=unknown.append)
        file = SessionFile(
            focus=document.focus,
            host=document.host,
            decks=document.decks,
            snapshots=document.snapshots,
            corners=document.corners,
            exclusions=tuple(one.rule() for one in document.exclusions),
        )
        file.store()
    except (JsonError, SnapshotError) as error:
        raise SessionFileError(str(error)) from None
    return replace(file, unknown=tuple(f"{entry} is not known, and left out." for entry in unknown))


def to_json(file: SessionFile) -> str:
    """Format a session file as JSON.

    Returns
    -------
    str
        With one line per snapshot, so that files can be compared.

    Raises
    ------
    SessionFileError
        It holds values that JSON cannot represent.
    """
    entries = {
        "format": FORMAT,
        "focus": file.focus,
        "host": file.host,
        "decks": to_plain(file.decks),
        "corners": file.corners,
        "exclusions": [{"include" if rule.included else "exclude": rule.pattern} for rule in file.exclusions],
    }
    try:  # piece by piece, since no other thread runs while a piece is made
        lines = [f" {json.dumps(key)}: {_dumps(value)}" for key, value in entries.items()]
        snapshots = ",\n".join(f"  {_dumps(to_plain(snapshot))}" for snapshot in file.snapshots)
    except (ValueError, TypeError) as error:
        raise SessionFileError(f"The session holds what cannot be written ({error}).") from None
    lines.append(f' "snapshots": [\n{snapshots}\n ]')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number:.20} is not a finite number")
    return value


def _dumps(value: object) -> str:
    return json.dumps(value, allow_nan=False)
