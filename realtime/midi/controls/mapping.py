"""Which control plays which parameter, and the file that keeps it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeGuard, get_args

from realtime.midi.ports.client import MidiError
from realtime.midi.protocol.control_events import ANY, Change, SourceType

FORMAT = "glitch-live MIDI mapping"
VERSION = 1
LARGEST_NUMBER: dict[str, int] = {"cc": 127, "cc14": 31, "nrpn": 16_383, "note": 127, "program": 127, "pressure": 127}

Mode = Literal["absolute", "relative2c", "relative64", "relativesign", "toggle", "momentary"]
"""What a value means: a place; a step (two's complement, around 64, or sign and magnitude); or a press of a button."""

RELATIVE: tuple[Mode, ...] = ("relative2c", "relative64", "relativesign")


class MappingError(MidiError):
    """A mapping that cannot be, or a file that cannot be read."""


@dataclass(frozen=True)
class Source:
    """A control.

    Attributes
    ----------
    type
        `cc`, `cc14`, `nrpn`, `note`, `bend`, `pressure` or `program`.
    number
        Of the controller (0 to 127), pair (0 to 31), parameter (0 to 16383), note or program; None for a bend, for
        channel pressure, and for any program.
    channel
        1 to 16; None for all.
    port
        Part of the input's name; empty for any.
    """

    type: SourceType
    number: int | None = None
    channel: int | None = None
    port: str = ""

    def __post_init__(self) -> None:
        if self.type not in get_args(SourceType):
            raise MappingError(
                f"A MIDI control is of a type out of {', '.join(get_args(SourceType))}; not {self.type!r}."
            )
        if self.channel is not None and not (_is_int(self.channel) and 1 <= self.channel <= 16):
            raise MappingError(f"A MIDI channel is 1 to 16, or null for all; not {self.channel!r}.")
        if not isinstance(self.port, str):
            raise MappingError(f"A port is named by a part of its name, not {self.port!r}.")
        if self.number is None:
            if self.type not in ("bend", "pressure", "program"):
                raise MappingError(f"A control of the type {self.type} needs its number.")
        elif self.type == "bend" or not (_is_int(self.number) and 0 <= self.number <= LARGEST_NUMBER[self.type]):
            limit = LARGEST_NUMBER.get(self.type)
            raise MappingError(
                f"The number of a {self.type} is 0 to {limit}, not {self.number!r}."
                if limit
                else "A bend has no number."
            )

    @property
    def key(self) -> tuple[SourceType, int]:
        """What changes are looked up by; for any program, too."""
        return self.type, ANY if self.number is None else self.number

    def fits(self, change: Change, port: str) -> bool:
        """Whether a change on a port is of this control."""
        if self.channel not in (None, change.channel) or self.type != change.type:
            return False
        if self.port and self.port.casefold() not in port.casefold():
            return False
        if self.number is None:
            return self.type == "program" or change.number == ANY
        return self.number == change.number

    @property
    def label(self) -> str:
        """A badge: `CC 21 ch 1`."""
        names = {"cc": "CC", "cc14": "CC14", "nrpn": "NRPN"}
        words = [names.get(self.type, self.type)]
        words += [] if self.number is None else [str(self.number)]
        words += [] if self.channel is None else [f"ch {self.channel}"]
        return " ".join(words)


@dataclass(frozen=True)
class Mapping:
    """A control and the parameter it plays.

    Attributes
    ----------
    target
        The parameter's address.
    range
        The values at the control's two ends, in the parameter's unit, backwards if you like; None is the whole range.
    mode
        See `Mode`.
    pickup
        Whether an absolute control must pass the parameter's value before it takes it.
    feedback
        Whether the control is told when the parameter moves otherwise (motor faders, rings of lights).
    steps
        Of a relative control, from one end of the range to the other.
    """

    source: Source
    target: str
    range: tuple[float, float] | None = None
    mode: Mode = "absolute"
    pickup: bool = True
    feedback: bool = True
    steps: int = 127
    extra: dict[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.target, str) or not self.target.startswith("/"):
            raise MappingError(f"A parameter's address begins with '/', not {self.target!r:.60}.")
        if self.mode not in get_args(Mode):
            raise MappingError(f"The mode of a mapping is one of {', '.join(get_args(Mode))}; not {self.mode!r:.40}.")
        if self.range is not None:
            ends = self.range
            if not (isinstance(ends, tuple) and len(ends) == 2 and all(_is_finite(end) for end in ends)):
                raise MappingError(f"The range of a mapping is two numbers, not {ends!r:.60}.")
        if not isinstance(self.pickup, bool) or not isinstance(self.feedback, bool):
            raise MappingError("pickup and feedback are true or false.")
        if not _is_int(self.steps) or not 1 <= self.steps <= 16_384:
            raise MappingError(f"The steps of a mapping are 1 to 16384, not {self.steps!r:.40}.")


@dataclass(frozen=True)
class NoteSettings:
    """How notes are played.

    Attributes
    ----------
    pitch, loudness, gate
        Addresses that take the note number (with bends added), the velocity, and 1 and 0; what the stage doesn't have
        is left alone.
    channel
        1 to 16, or None for all.
    decks
        Letters of decks by channel: `{"1": "a", "2": "b"}` plays `/a/pitch` from channel 1. Other channels play the
        addresses as they are.
    bend_semitones
        What a full bend does, until the sender says otherwise.
    legato
        Whether a note that is played while another is held keeps the loudness.
    mpe
        Whether channel 1 is the master of a zone of the channels from 2 to 1 + `members`, a note each.
    timbre, pressure
        Addresses that a note's own controller 74 and its pressure play, in MPE; empty for none.
    """

    enabled: bool = True
    pitch: str = "/pitch"
    loudness: str = "/loudness"
    gate: str = "/gate"
    channel: int | None = None
    decks: dict[str, str] = field(default_factory=dict)
    bend_semitones: float = 2.0
    legato: bool = False
    mpe: bool = False
    members: int = 15
    member_bend_semitones: float = 48.0
    timbre: str = ""
    pressure: str = ""


@dataclass(frozen=True)
class MappingFile:
    """What the file holds.

    Attributes
    ----------
    unknown
        Entries that this version cannot use; they are written back as they were.
    extra
        Other keys of the file, written back too.
    """

    mappings: tuple[Mapping, ...] = ()
    notes: NoteSettings = field(default_factory=NoteSettings)
    unknown: tuple[Any, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def with_mappings(self, mappings: Iterable[Mapping]) -> MappingFile:
        """The same file with other mappings."""
        return replace(self, mappings=tuple(mappings))


def read(path: str | os.PathLike[str]) -> MappingFile:
    """Read a mapping file; one that isn't there is empty.

    Raises
    ------
    MappingError
        It cannot be read, is no mapping file, or is of a later version. Single entries that cannot be used don't raise:
        they are named in `problems` and kept in `unknown`.
    """
    path = Path(path)
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return MappingFile()
    except (OSError, ValueError, RecursionError) as error:
        raise MappingError(
            f"The MIDI mapping {path} cannot be read ({str(error)[:80]}); repair or remove it."
        ) from None
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise MappingError(f'{path} is no MIDI mapping: it should begin with {{"format": "{FORMAT}", "version": 1.')
    version = told.get("version")
    if not _is_int(version) or not 1 <= version <= VERSION:
        raise MappingError(
            f"The MIDI mapping {path} is of version {version!r:.20}; this program reads up to {VERSION}."
        )
    return parse(told, str(path))


def parse(told: dict[str, Any], name: str) -> MappingFile:
    """Make a mapping file of its JSON; `name` is for the problems."""
    mappings: list[Mapping] = []
    unknown: list[Any] = []
    problems: list[str] = []
    entries = told.get("mappings", [])
    if not isinstance(entries, list):
        problems.append(f"{name}: 'mappings' is not a list.")
        entries, unknown = [], [entries]
    for k, entry in enumerate(entries):
        try:
            mappings.append(from_json(entry))
        except MappingError as error:
            problems.append(f"{name}, entry {k + 1}: {error}")
            unknown.append(entry)
    notes, note_problems = _notes(told.get("notes", {}))
    problems += [f"{name}, notes: {problem}" for problem in note_problems]
    extra = {key: value for key, value in told.items() if key not in ("format", "version", "mappings", "notes")}
    if note_problems:
        extra["notes that could not be used"] = told.get("notes")
    return MappingFile(tuple(mappings), notes, tuple(unknown), extra, tuple(problems))


def write(path: str | os.PathLike[str], file: MappingFile) -> None:
    """Write a mapping file: the whole of it, or nothing.

    Raises
    ------
    MappingError
        It cannot be written.
    """
    told = {
        "format": FORMAT,
        "version": VERSION,
        **file.extra,
        "mappings": [*(to_json(mapping) for mapping in file.mappings), *file.unknown],
        "notes": _differing(file.notes, NoteSettings()),
    }
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False, encoding="utf-8") as new:
            try:
                json.dump(told, new, indent=2)
                new.write("\n")
                new.flush()
                os.fsync(new.fileno())
                new.close()
                os.replace(new.name, path)
            except BaseException:
                new.close()
                os.unlink(new.name)
                raise
    except OSError as error:
        raise MappingError(f"The MIDI mapping {path} cannot be written ({error.strerror or error}).") from None


def from_json(entry: object) -> Mapping:
    """Make a mapping of an entry of the file; raises `MappingError` where it can't be one."""
    if not isinstance(entry, dict) or not isinstance(entry.get("source"), dict) or "target" not in entry:
        raise MappingError("an entry has a source and a target.")
    source = entry["source"]
    names = {one.name for one in fields(Source)}
    if strange := sorted(set(source) - names):
        raise MappingError(f"a source has {', '.join(sorted(names))}; not {', '.join(map(str, strange))[:60]}.")
    if "type" not in source:
        raise MappingError("a source has a type.")
    known = {one.name for one in fields(Mapping)} - {"source", "extra"}
    options = {key: value for key, value in entry.items() if key in known}
    if isinstance(options.get("range"), list):
        options["range"] = tuple(options["range"])
    extra = {key: value for key, value in entry.items() if key not in known and key != "source"}
    return Mapping(Source(**source), **options, extra=extra)


def to_json(mapping: Mapping) -> dict[str, Any]:
    """Make an entry of the file; what is as always is left out."""
    source = {key: value for key, value in vars(mapping.source).items() if value not in (None, "")}
    told: dict[str, Any] = {"source": source, "target": mapping.target}
    like_new = Mapping(mapping.source, mapping.target)
    told |= {key: value for key, value in _differing(mapping, like_new).items() if key != "extra"}
    return told | mapping.extra


def _differing(one: Any, usual: Any) -> dict[str, Any]:
    return {key: value for key, value in vars(one).items() if value != getattr(usual, key)}


def _notes(told: object) -> tuple[NoteSettings, list[str]]:
    """Make the settings for notes; what is wrong is as usual, and named."""
    if not isinstance(told, dict):
        return NoteSettings(), ["they are not an object."]
    checks: dict[str, Any] = {
        **dict.fromkeys(("enabled", "legato", "mpe"), lambda v: isinstance(v, bool)),
        **dict.fromkeys(("pitch", "loudness", "gate", "timbre", "pressure"), _is_address),
        **dict.fromkeys(("bend_semitones", "member_bend_semitones"), lambda v: _is_finite(v) and 0 <= v <= 96),
        "channel": lambda v: v is None or (_is_int(v) and 1 <= v <= 16),
        "members": lambda v: _is_int(v) and 1 <= v <= 15,
        "decks": lambda v: isinstance(v, dict) and all(_is_int_text(key) and _is_letter(one) for key, one in v.items()),
    }
    good: dict[str, Any] = {}
    problems = []
    for key, value in told.items():
        if key not in checks:
            problems.append(f"there is no setting '{str(key)[:40]}'.")
        elif not checks[key](value):
            problems.append(f"{key} cannot be {value!r:.40}.")
        else:
            good[key] = value
    return NoteSettings(**good), problems


def _is_int(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30


def _is_address(value: object) -> bool:
    return isinstance(value, str) and (not value or value.startswith("/"))


def _is_int_text(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdecimal() and 1 <= int(value) <= 16


def _is_letter(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isalnum()
