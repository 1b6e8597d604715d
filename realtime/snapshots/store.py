"""Snapshots: where every knob stood, under a name and a number, and what a recall leaves alone."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from export.errors import GlitchError
from realtime.ipc.layout import LETTERS
from realtime.osc.codec import BadPacketError
from realtime.osc.patterns import select, tree
from realtime.params.table import Parameter, Table

LARGEST_NUMBER = 127  # of a MIDI program
LONGEST_NAME = 64
MOST_RULES = 128
MOST_CORNERS = 4

ADDRESS = re.compile(r"(/[^/\s]+)+")
WHOLE = re.compile(r"[0-9]{1,3}")


class SnapshotError(GlitchError):
    """There is no such snapshot, or it cannot be kept like that."""


@dataclass(frozen=True)
class Rule:
    """A pattern of addresses that a recall leaves alone, or sets after all.

    Attributes
    ----------
    pattern
        An OSC pattern. With a letter before it the parameters of that deck; without, the host's and those of all decks.
    included
        Whether a recall sets what it matches.
    """

    pattern: str
    included: bool = False

    def __post_init__(self) -> None:
        try:
            select(self.pattern, {})
        except BadPacketError as error:
            raise SnapshotError(f"{self.pattern!r:.80} matches no parameters: it is {error}.") from None


DEFAULTS = tuple(
    Rule(pattern)
    for pattern in (
        "/mute",  # an instrument that was silenced stays so
        "/focus",  # where plain addresses go is the player's hands, not the sound
        "/ahead//",  # of this machine and its device
        "/model/fade",  # how models come in, not how they sound
        "/record//",  # a recall must not begin a recording, nor end one
        "/take",
        "//loop/record",
        "//loop/overdub",
        "/midi//",
    )
)
"""What a recall leaves alone unless the player includes it."""

ALWAYS = (Rule("/snapshot//"), Rule("/morph//"))
"""What a recall never sets: the knobs that recall. A morph that moved itself would never come to rest."""


@dataclass(frozen=True)
class DeckSnapshot:
    """What a deck played.

    Attributes
    ----------
    model, sha256
        Its model: the name that the library knows it by, and the digest of its file.
    values
        By address, without the letter.
    state
        Names the model's caches, which are kept elsewhere; None where they weren't.
    """

    model: str
    sha256: str
    values: dict[str, float]
    state: str | None = None

    def __post_init__(self) -> None:
        _check_values(self.values)


@dataclass(frozen=True)
class Snapshot:
    """Where every knob stood.

    Attributes
    ----------
    number
        0 to 127: what a MIDI program change and the buttons recall it by.
    host
        The host's values, by address.
    decks
        By letter; a deck that played nothing is not in it.
    """

    name: str
    number: int
    host: dict[str, float]
    decks: dict[str, DeckSnapshot]

    def __post_init__(self) -> None:
        fits = 0 < len(self.name) <= LONGEST_NAME and self.name.isprintable() and self.name == self.name.strip()
        if not fits:
            raise SnapshotError(
                f"A snapshot's name has 1 to {LONGEST_NAME} characters, and no spaces around it; not {self.name!r:.80}."
            )
        if not 0 <= self.number <= LARGEST_NUMBER:
            raise SnapshotError(f"A snapshot's number is 0 to {LARGEST_NUMBER}, not {self.number}.")
        if strange := sorted(self.decks.keys() - set(LETTERS)):
            raise SnapshotError(f"There is no deck '{strange[0]:.20}'; there are {' and '.join(LETTERS)}.")
        _check_values(self.host)

    def flat(self) -> dict[str, float]:
        """Give every value by its whole address: `/gain`, `/a/latent/1`."""
        found = dict(self.host)
        for letter, deck in self.decks.items():
            found |= {f"/{letter}{address}": value for address, value in deck.values.items()}
        return found

    def states(self, sha256: Mapping[str, str]) -> dict[str, str]:
        """Give the caches that can be brought back, by letter: those of decks that play the same model now."""
        kept = {letter: deck for letter, deck in self.decks.items() if deck.state is not None}
        return {letter: deck.state or "" for letter, deck in kept.items() if deck.sha256 == sha256.get(letter)}


class Playing(Protocol):
    """What is read of a deck. `realtime.decks.player.Player` is one."""

    @property
    def table(self) -> Table:
        """Its parameters, the host's included."""

    @property
    def values(self) -> np.ndarray:
        """Their values, by index."""

    @property
    def source(self) -> Path | None:
        """The file of its model, as it was named."""


def host_values(player: Playing) -> dict[str, float]:
    """Give the host's values by address; they stand in each deck's."""
    return _values(player, host=True)


def deck_values(player: Playing) -> dict[str, float]:
    """Give a deck's values by address, without its letter."""
    return _values(player, host=False)


def capture(
    name: str,
    number: int,
    players: Mapping[str, Playing],
    sha256: Mapping[str, str],
    states: Mapping[str, str] | None = None,
) -> Snapshot:
    """Take a snapshot of all that has a value; what is left alone is decided when it is recalled.

    Parameters
    ----------
    players
        By letter.
    sha256
        The digest of each letter's model.
    states
        What names each letter's caches, where they are kept.
    """
    decks = {
        letter: DeckSnapshot(
            player.source.stem, sha256.get(letter, ""), deck_values(player), (states or {}).get(letter)
        )
        for letter, player in players.items()
        if player.source is not None
    }
    host = host_values(next(iter(players.values()))) if players else {}
    return Snapshot(name, number, host, decks)


class Snapshots:
    """The snapshots of a session, in the order of their numbers. Any thread may call.

    Parameters
    ----------
    snapshots, rules, corners
        What a session file kept: the snapshots, the player's own rules, and the names of the morph's corners.

    Raises
    ------
    SnapshotError
        They contradict each other.
    """

    def __init__(
        self, snapshots: Iterable[Snapshot] = (), rules: Iterable[Rule] = (), corners: Iterable[str] = ()
    ) -> None:
        self._lock = threading.RLock()
        self._kept: dict[str, Snapshot] = {}
        self._rules: tuple[Rule, ...] = ()
        self._corners: tuple[str, ...] = ()
        for snapshot in snapshots:
            if snapshot.name in self._kept:
                raise SnapshotError(f"There are two snapshots '{snapshot.name}'; rename one.")
            self.save(snapshot)
        for rule in rules:
            self._add(rule)
        if names := tuple(corners):
            self.set_corners(*names)

    def __iter__(self) -> Iterator[Snapshot]:
        with self._lock:
            return iter(sorted(self._kept.values(), key=lambda snapshot: snapshot.number))

    def __len__(self) -> int:
        return len(self._kept)

    def names(self) -> list[str]:
        """List the names, in the order of the numbers."""
        return [snapshot.name for snapshot in self]

    def find(self, which: str | float) -> Snapshot:
        """Give a snapshot by its name or its number; a number may be written as text where no name is like it.

        Raises
        ------
        SnapshotError
            There is none.
        """
        with self._lock:
            if isinstance(which, str) and which in self._kept:
                return self._kept[which]
            number = float(which) if not isinstance(which, str) or WHOLE.fullmatch(which) else -1.0
            for snapshot in self._kept.values():
                if snapshot.number == number:
                    return snapshot
            known = ", ".join(f"{one.number} {one.name}" for one in self) or "none"
            raise SnapshotError(f"There is no snapshot {which!r:.80}; there are: {known:.200}.")

    def free_number(self) -> int:
        """Give the smallest number that is free, from 1 on as the buttons are; 0 comes last."""
        with self._lock:
            taken = {snapshot.number for snapshot in self._kept.values()}
            for number in (*range(1, LARGEST_NUMBER + 1), 0):
                if number not in taken:
                    return number
            raise SnapshotError(f"All {LARGEST_NUMBER + 1} snapshots are taken; delete one, or save over one by name.")

    def place(self, name: str = "", number: int | None = None) -> tuple[str, int]:
        """Say which name and number a snapshot that is saved now gets.

        A known name keeps its number, and a taken number its name: that snapshot is saved over. What is new gets the
        free number, and is called by it.
        """
        with self._lock:
            name = name.strip()
            if number is None:
                number = self._kept[name].number if name in self._kept else self.free_number()
            if not name:
                name = next((one.name for one in self if one.number == number), "")
            if not name:
                name = f"snapshot {number}"
                while name in self._kept:
                    name += "'"
            return name, number

    def save(self, snapshot: Snapshot) -> None:
        """Keep a snapshot, in the place of the one of that name.

        Raises
        ------
        SnapshotError
            Its number is another's.
        """
        with self._lock:
            for other in self._kept.values():
                if other.number == snapshot.number and other.name != snapshot.name:
                    raise SnapshotError(
                        f"The number {snapshot.number} is of the snapshot '{other.name}'; choose another, or delete it."
                    )
            self._kept[snapshot.name] = snapshot

    def rename(self, which: str | float, name: str) -> Snapshot:
        """Give a snapshot another name; corners of the morph stay what they are.

        Raises
        ------
        SnapshotError
            There is none, or another has that name.
        """
        with self._lock:
            old = self.find(which)
            new = replace(old, name=name.strip())
            if new.name != old.name and new.name in self._kept:
                raise SnapshotError(f"There is a snapshot '{new.name}' already; choose another name, or delete it.")
            del self._kept[old.name]
            self._kept[new.name] = new
            self._corners = tuple(new.name if corner == old.name else corner for corner in self._corners)
            return new

    def delete(self, which: str | float) -> Snapshot:
        """Forget a snapshot; a morph that it was a corner of has no corners any more.

        Raises
        ------
        SnapshotError
            There is none.
        """
        with self._lock:
            gone = self.find(which)
            del self._kept[gone.name]
            if gone.name in self._corners:
                self._corners = ()
            return gone

    def remember(self, deck: DeckSnapshot, state: str) -> None:
        """Note what names the caches of a deck that was captured, in whatever snapshot has it by now, if any."""
        with self._lock:
            for name, snapshot in self._kept.items():
                for letter, one in snapshot.decks.items():
                    if one is deck:
                        self._kept[name] = replace(snapshot, decks=snapshot.decks | {letter: replace(one, state=state)})
                        return

    def states(self) -> set[str]:
        """Name all caches that a snapshot speaks of; others need not be kept."""
        return {deck.state for snapshot in self for deck in snapshot.decks.values() if deck.state is not None}

    @property
    def corners(self) -> tuple[Snapshot, ...]:
        """The corners of the morph as they are saved now; none, or two to four."""
        with self._lock:
            return tuple(self._kept[name] for name in self._corners)

    def set_corners(self, *which: str | float) -> tuple[Snapshot, ...]:
        """Choose the corners of the morph.

        Raises
        ------
        SnapshotError
            They are not two to four, or one isn't there.
        """
        with self._lock:
            if not 2 <= len(which) <= MOST_CORNERS:
                raise SnapshotError(f"A morph has 2 to {MOST_CORNERS} corners, not {len(which)}.")
            self._corners = tuple(self.find(one).name for one in which)
            return self.corners

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The player's own rules, in their order; they come after `DEFAULTS`, and the last that matches holds."""
        return self._rules

    def exclude(self, pattern: str) -> None:
        """Leave alone what a pattern matches, now and on models to come; raises `SnapshotError` if it is none."""
        self._add(Rule(pattern))

    def include(self, pattern: str) -> None:
        """Let recalls set what a pattern matches; raises `SnapshotError` if it is none."""
        self._add(Rule(pattern, included=True))

    def excluded(self, addresses: Iterable[str]) -> set[str]:
        """Give those of some whole addresses that recalls leave alone."""
        plain = {address: _without_letter(address) for address in addresses}
        whole, either = tree(plain), tree({*plain, *plain.values()})
        found = {address for rule in DEFAULTS for address in select(rule.pattern, whole)}
        for rule in self._rules:
            matched = set(select(rule.pattern, either))
            meant = {address for address, short in plain.items() if address in matched or short in matched}
            found = found - meant if rule.included else found | meant
        return found | {address for rule in ALWAYS for address in select(rule.pattern, whole)}

    def rows(self, tables: Mapping[str, Table]) -> dict[str, Parameter]:
        """Give every parameter that a recall may set now, by its whole address.

        Parameters
        ----------
        tables
            Of the decks, by letter.
        """
        rows = _rows(tables)
        for address in self.excluded(rows):
            del rows[address]
        return rows

    def changes(self, snapshot: Snapshot, tables: Mapping[str, Table]) -> list[tuple[str, float]]:
        """Say what recalling a snapshot sets, brought into the ranges that there are now, the host's first."""
        rows = self.rows(tables)
        return [(address, rows[address].clip(value)) for address, value in snapshot.flat().items() if address in rows]

    def missing(self, snapshot: Snapshot, tables: Mapping[str, Table]) -> list[str]:
        """Name what a recall would set, if the models of now had it."""
        rows = _rows(tables)
        lacking = [address for address in snapshot.flat() if address not in rows]
        left_alone = self.excluded(lacking)
        return [address for address in lacking if address not in left_alone]

    def _add(self, rule: Rule) -> None:
        """Put a rule behind all others; it takes the place of the one with its pattern, or of all if it means all."""
        with self._lock:
            others = () if rule.pattern == "//" else (one for one in self._rules if one.pattern != rule.pattern)
            rules = (*others, rule)
            if len(rules) > MOST_RULES:
                raise SnapshotError(
                    f"There are {MOST_RULES} patterns of what recalls leave alone; begin again with the pattern '//'."
                )
            self._rules = rules


def _rows(tables: Mapping[str, Table]) -> dict[str, Parameter]:
    """Give every row that holds a value by its whole address, the host's first."""
    host: dict[str, Parameter] = {}
    decks: dict[str, Parameter] = {}
    for letter, table in tables.items():
        for row in table.by_index:
            if row.kind in ("trigger", "list"):
                continue
            if row.where == "deck":
                decks[f"/{letter}{row.address}"] = row
            else:
                host[row.address] = row
    return host | decks


def _values(player: Playing, *, host: bool) -> dict[str, float]:
    values = player.values.tolist()
    return {
        row.address: values[row.index]
        for row in player.table.by_index
        if row.kind not in ("trigger", "list")
        and (row.where != "deck") is host
        and math.isfinite(values[row.index])  # what is no number can neither be set nor kept
    }


def _without_letter(address: str) -> str:
    return address[2:] if address[1:2] in LETTERS and address[2:3] == "/" else address


def _check_values(values: Mapping[str, float]) -> None:
    for address, value in values.items():
        if not ADDRESS.fullmatch(address):
            raise SnapshotError(f"A parameter's address is '/' and its name, part by part; not {address!r:.80}.")
        if not math.isfinite(value):
            raise SnapshotError(f"The value of {address} is {value}, and must be a number.")
