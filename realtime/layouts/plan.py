"""The plan of a controller layout: contents and order, made from the parameter table.

A strip on every page (level, crossfade, panic), a page for each deck with its latents first, one for each deck's fine
tuning, and one for the stage. New rows of the table are placed automatically.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from realtime.ipc.memory_layout import LETTERS
from realtime.params.table import Parameter, Table

COLUMNS = 16  # per line
RATE_HZ, RENEW_MS = 20, 20_000  # rate and renewal of the layout's subscription

Shape = Literal["fader", "number", "choice", "switch", "button"]


@dataclass(frozen=True)
class Group:
    """Parameters shown side by side.

    Attributes
    ----------
    title
        Title above them.
    rows
        Parameters, with the addresses that the controller sends.
    pad
        The two of them that form an XY pad: from left to right, and from bottom to top.
    """

    title: str
    rows: tuple[Parameter, ...]
    pad: tuple[Parameter, ...] = ()

    @property
    def buttons(self) -> tuple[Parameter, ...]:
        """Triggers, if there are so many that they need lines of their own."""
        triggers = tuple(row for row in self.rows if row.kind == "trigger")
        return triggers if len(triggers) > 4 else ()

    @property
    def singles(self) -> tuple[Parameter, ...]:
        """Parameters with a column of their own."""
        return tuple(row for row in self.rows if row not in self.buttons)

    @property
    def columns(self) -> int:
        """Width in columns."""
        return len(self.singles) + (8 if self.buttons else 0) + (4 if self.pad else 0)


@dataclass(frozen=True)
class Page:
    """A page of lines of groups, from top to bottom; `letter` is that of the deck, or empty."""

    title: str
    letter: str
    lines: tuple[tuple[Group, ...], ...]


STRIP = ("/crossfade", "/gain", "/mute", "/focus", "/panic")
STAGE_PAGE = ("tempo", "snapshot", "morph", "record", "take")
DECK_PAGE = ("sound", "xy", "walk", "loop", "input")


def strip(table: Table) -> tuple[Parameter, ...]:
    """Return the parameters of the strip."""
    return tuple(table[address] for address in STRIP)


def pages(table: Table) -> tuple[Page, ...]:
    """Return the pages; every parameter outside the strip, lists excepted, is on exactly one."""
    rows = [row for row in table.by_index if row.kind != "list" and row.address not in STRIP]
    parts: dict[str, list[Parameter]] = {"stage": [], "": [], "fine": [], "bend": [], "fx": []}
    for row in rows:
        parts[_part(row)].append(row)
    latents = {row.address for row in table.latents}
    played = [
        Group("latent", table.latents),
        *_grouped((row for row in parts[""] if row.address not in latents), _first_word, DECK_PAGE),
    ]
    sheets = {
        "": played,
        "fine": _grouped(parts["fine"], lambda words: words[-1]),
        "bend": _grouped(parts["bend"], lambda words: words[1]),
        "fx": _grouped(parts["fx"], lambda words: words[1]),
    }
    made = [
        Page(f"{letter.upper()} {name}".strip(), letter, _lines(_on_deck(group, letter) for group in groups))
        for letter in LETTERS
        for name, groups in sheets.items()
    ]
    made.append(Page("Stage", "", _lines(_grouped(parts["stage"], lambda words: words[0], STAGE_PAGE))))
    return tuple(page for page in made if page.lines)


def _part(row: Parameter) -> str:
    """Return the page of a parameter; fine tuning is kept apart from playing."""
    words = _words(row.address)
    if row.where != "deck":
        return "stage"
    if words[0] in ("bend", "fx"):
        return words[0]
    return "fine" if words[0] == "latent" and len(words) > 2 else ""


def _words(address: str) -> list[str]:
    return address.strip("/").split("/")


def _first_word(words: Sequence[str]) -> str:
    """Return the group of a deck's parameter; single words belong to the sound as a whole."""
    return words[0] if len(words) > 1 else "sound"


def _grouped(rows: Iterable[Parameter], key: Callable[[list[str]], str], order: Sequence[str] = ()) -> list[Group]:
    found: dict[str, list[Parameter]] = {}
    for row in rows:
        found.setdefault(key(_words(row.address)), []).append(row)
    places = {title: place for place, title in enumerate(order)}
    titles = sorted(found, key=lambda title: places.get(title, len(places)))
    return [Group(title, tuple(found[title]), _pad(found[title])) for title in titles]


def _pad(rows: Sequence[Parameter]) -> tuple[Parameter, ...]:
    axes = {_words(row.address)[-1]: row for row in rows}
    return (axes["x"], axes["y"]) if {"x", "y"} <= axes.keys() else ()


def _on_deck(group: Group, letter: str) -> Group:
    def own(rows: Sequence[Parameter]) -> tuple[Parameter, ...]:
        return tuple(replace(row, address=f"/{letter}{row.address}") for row in rows)

    return Group(group.title, own(group.rows), own(group.pad))


def _lines(groups: Iterable[Group]) -> tuple[tuple[Group, ...], ...]:
    """Arrange groups in lines, in order; a group wider than a line is split."""
    lines: list[list[Group]] = []
    for group in groups:
        for part in _cut(group):
            if not lines or sum(other.columns for other in lines[-1]) + part.columns > COLUMNS:
                lines.append([])
            lines[-1].append(part)
    return tuple(map(tuple, lines))


def _cut(group: Group) -> list[Group]:
    if group.columns <= COLUMNS:
        return [group] if group.rows else []
    firsts = range(0, len(group.rows), COLUMNS)
    return [Group(f"{group.title} {k + 1} …", group.rows[k : k + COLUMNS]) for k in firsts]


def shape_of(row: Parameter) -> Shape:
    """Return the kind of widget for a parameter."""
    span = row.maximum - row.minimum
    if row.kind == "trigger":
        return "button"
    if row.kind == "bool":
        return "switch"
    if row.kind == "int" and span <= 8:
        return "choice"
    return "number" if row.kind == "int" and span > 1_000_000 else "fader"


def label_of(row: Parameter, title: str = "") -> str:
    """Return a short label for a parameter, without the title of its group."""
    words = _words(row.address)
    if words[0] in LETTERS:
        words = words[1:]
    if words[0] == "latent" and len(words) == 2:
        return row.text.partition(":")[0]
    if words[0] == "latent":
        return words[1]
    if len(words) > 1 and title in words[:-1]:
        words = words[words.index(title) + 1 :]
    return " ".join(words)


def choices(row: Parameter) -> dict[str, int]:
    """Return the values of a choice by the names in its text: "0 linear, 1 spherical"."""
    values = range(round(row.minimum), round(row.maximum) + 1)
    named = {int(number): name for number, name in re.findall(r"(\d+) (?:is )?(\w+)", row.text)}
    return {named.get(value, f"{value} "): value for value in values}


def weight_of(row: Parameter) -> int:
    """Return the relative width of a parameter in the strip."""
    return {"fader": 3, "button": 2}.get(shape_of(row), 1)


def pad_name(pad: Sequence[Parameter]) -> str:
    """Return a name for a pad from the common part of its addresses."""
    return pad[0].address.strip("/").removesuffix("x") + "pad"
