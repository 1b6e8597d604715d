"""The mapping file: mappings of controls and settings of notes, as JSON.

The format is described in docs/midi.md. Entries that this version doesn't understand are reported and kept.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from realtime.midi.controls.mapping import Mapping, is_finite
from realtime.midi.controls.mapping_source import Source, is_int
from realtime.midi.errors import MappingError
from realtime.midi.notes.settings import NoteSettings

FORMAT = "glitch-live MIDI mapping"
VERSION = 1


@dataclass(frozen=True)
class MappingFile:
    """Contents of a mapping file.

    Attributes
    ----------
    mappings
        Mappings in the order of the file.
    notes
        How notes are played.
    unknown
        Invalid entries, which are written back unchanged.
    extra
        Unknown keys of the file, which are written back unchanged.
    problems
        A sentence for each invalid entry or setting.
    """

    mappings: tuple[Mapping, ...] = ()
    notes: NoteSettings = field(default_factory=NoteSettings)
    unknown: tuple[Any, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def with_mappings(self, mappings: Iterable[Mapping]) -> MappingFile:
        """Return the same file with other mappings."""
        return replace(self, mappings=tuple(mappings))


def read(path: str | os.PathLike[str]) -> MappingFile:
    """Read a mapping file.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    MappingFile
        Its contents; empty if there is no such file. Invalid entries are kept in `unknown` and reported in `problems`.

    Raises
    ------
    MappingError
        The file cannot be read, is no mapping file, or was written by a later version.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return MappingFile()
    except (OSError, ValueError, RecursionError) as error:
        raise MappingError(
            f"The MIDI mapping {path} cannot be read ({str(error)[:80]}); repair or remove it."
        ) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise MappingError(
            f'{path} is not a MIDI mapping: it should begin with {{"format": "{FORMAT}", "version": {VERSION}.'
        )
    version = content.get("version")
    if not is_int(version) or not 1 <= version <= VERSION:
        raise MappingError(
            f"The MIDI mapping {path} has version {version!r:.20}; this program reads versions up to {VERSION}."
        )
    return parse(content, str(path))


def parse(content: dict[str, Any], name: str) -> MappingFile:
    """Build a mapping file from its JSON.

    Parameters
    ----------
    content
        The JSON object.
    name
        Name of the file for problems.

    Returns
    -------
    MappingFile
        Its contents, with invalid entries in `unknown` and reported in `problems`.
    """
    mappings: list[Mapping] = []
    unknown: list[Any] = []
    problems: list[str] = []
    entries = content.get("mappings", [])
    if not isinstance(entries, list):
        problems.append(f"{name}: 'mappings' is not a list.")
        entries, unknown = [], [entries]
    for k, entry in enumerate(entries):
        try:
            mappings.append(from_json(entry))
        except MappingError as error:
            problems.append(f"{name}, entry {k + 1}: {error}")
            unknown.append(entry)
    notes, note_problems = _note_settings(content.get("notes", {}))
    problems += [f"{name}, notes: {problem}" for problem in note_problems]
    extra = {key: value for key, value in content.items() if key not in ("format", "version", "mappings", "notes")}
    if note_problems:
        extra["notes that could not be used"] = content.get("notes")
    return MappingFile(tuple(mappings), notes, tuple(unknown), extra, tuple(problems))


def write(path: str | os.PathLike[str], file: MappingFile) -> None:
    """Write a mapping file completely or not at all.

    Parameters
    ----------
    path
        The file; its folder is created.
    file
        Its contents.

    Raises
    ------
    MappingError
        The file cannot be written.
    """
    content = {
        "format": FORMAT,
        "version": VERSION,
        **file.extra,
        "mappings": [*(to_json(mapping) for mapping in file.mappings), *file.unknown],
        "notes": _without_defaults(file.notes, NoteSettings()),
    }
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False, encoding="utf-8") as new:
            try:
                json.dump(content, new, indent=2)
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
    """Build a mapping from an entry of the file.

    Parameters
    ----------
    entry
        JSON value of the entry.

    Returns
    -------
    Mapping
        The mapping, with unknown keys in `extra`.

    Raises
    ------
    MappingError
        The entry is invalid.
    """
    if not isinstance(entry, dict) or not isinstance(entry.get("source"), dict) or "target" not in entry:
        raise MappingError("an entry needs a source and a target.")
    source = entry["source"]
    names = {one.name for one in fields(Source)}
    if unknown := sorted(set(source) - names):
        raise MappingError(f"a source has {', '.join(sorted(names))}, not {', '.join(map(str, unknown))[:60]}.")
    if "type" not in source:
        raise MappingError("a source needs a type.")
    known = {one.name for one in fields(Mapping)} - {"source", "extra"}
    options = {key: value for key, value in entry.items() if key in known}
    if isinstance(options.get("range"), list):
        options["range"] = tuple(options["range"])
    extra = {key: value for key, value in entry.items() if key not in known and key != "source"}
    return Mapping(Source(**source), **options, extra=extra)


def to_json(mapping: Mapping) -> dict[str, Any]:
    """Build the entry of a mapping.

    Parameters
    ----------
    mapping
        The mapping.

    Returns
    -------
    dict
        The JSON object, without defaults.
    """
    source = {key: value for key, value in vars(mapping.source).items() if value not in (None, "")}
    entry: dict[str, Any] = {"source": source, "target": mapping.target}
    default = Mapping(mapping.source, mapping.target)
    entry |= {key: value for key, value in _without_defaults(mapping, default).items() if key != "extra"}
    return entry | mapping.extra


def _without_defaults(one: Any, default: Any) -> dict[str, Any]:
    return {key: value for key, value in vars(one).items() if value != getattr(default, key)}


def _note_settings(content: object) -> tuple[NoteSettings, list[str]]:
    """Return the settings of notes, with defaults for invalid ones, and a sentence for each of those."""
    if not isinstance(content, dict):
        return NoteSettings(), ["they are not an object."]
    checks: dict[str, Any] = {
        **dict.fromkeys(("enabled", "legato", "mpe"), lambda v: isinstance(v, bool)),
        **dict.fromkeys(("pitch", "loudness", "gate", "timbre", "pressure"), _is_address),
        **dict.fromkeys(("bend_semitones", "member_bend_semitones"), lambda v: is_finite(v) and 0 <= v <= 96),
        "channel": lambda v: v is None or (is_int(v) and 1 <= v <= 16),
        "members": lambda v: is_int(v) and 1 <= v <= 15,
        "decks": _is_decks,
    }
    valid: dict[str, Any] = {}
    problems = []
    for key, value in content.items():
        if key not in checks:
            problems.append(f"there is no setting '{str(key)[:40]}'.")
        elif not checks[key](value):
            problems.append(f"{key} cannot be {value!r:.40}.")
        else:
            valid[key] = value
    return NoteSettings(**valid), problems


def _is_decks(value: object) -> bool:
    return isinstance(value, dict) and all(_is_channel(key) and _is_letter(one) for key, one in value.items())


def _is_address(value: object) -> bool:
    return isinstance(value, str) and (not value or value.startswith("/"))


def _is_channel(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdecimal() and 1 <= int(value) <= 16


def _is_letter(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isalnum()
