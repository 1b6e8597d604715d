"""A snapshot: the value of every parameter, under a name and a number."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Protocol

import numpy as np

from export.errors import GlitchError
from export.format.dataclass_json import OneOf
from realtime.ipc.memory_layout import LETTERS
from realtime.params.table import Parameter, Table

MAX_NUMBER = 127  # the largest number of a MIDI program
MAX_NAME_LENGTH = 64

ADDRESS = re.compile(r"(/[^/\s]+)+")

Letter = Annotated[str, OneOf(LETTERS)]


class SnapshotError(GlitchError):
    """There is no such snapshot, or it cannot be stored like that."""


@dataclass(frozen=True)
class DeckSnapshot:
    """The values of one deck.

    Attributes
    ----------
    model, sha256
        The name of its model in the library, and the digest of the model's file.
    values
        By address, without the letter.
    state
        The name of the file with the model's caches; None where they weren't stored.
    """

    model: str
    sha256: str = ""
    values: dict[str, float] = field(default_factory=dict)
    state: str | None = None

    def __post_init__(self) -> None:
        _check_values(self.values)


@dataclass(frozen=True)
class Snapshot:
    """The value of every parameter.

    Attributes
    ----------
    name
        1 to 64 printable characters, without spaces at its ends.
    number
        0 to 127: a MIDI program change or a button recalls it by this number.
    host
        The host's values, by address.
    decks
        By letter; a deck that played nothing is missing.

    Raises
    ------
    SnapshotError
        One of these is invalid.
    """

    name: str
    number: int
    host: dict[str, float] = field(default_factory=dict)
    decks: dict[Letter, DeckSnapshot] = field(default_factory=dict)

    def __post_init__(self) -> None:
        fits = 0 < len(self.name) <= MAX_NAME_LENGTH and self.name.isprintable() and self.name == self.name.strip()
        if not fits:
            raise SnapshotError(
                f"The name of a snapshot has 1 to {MAX_NAME_LENGTH} characters and no spaces around it, "
                f"not {self.name!r:.80}."
            )
        if not 0 <= self.number <= MAX_NUMBER:
            raise SnapshotError(f"The number of a snapshot is 0 to {MAX_NUMBER}, not {self.number}.")
        if unknown := sorted(self.decks.keys() - set(LETTERS)):
            raise SnapshotError(f"There is no deck '{unknown[0]:.20}'; there are {' and '.join(LETTERS)}.")
        _check_values(self.host)

    def flat(self) -> dict[str, float]:
        """Return every value by its whole address: `/gain`, `/a/latent/1`."""
        found = dict(self.host)
        for letter, deck in self.decks.items():
            found |= {f"/{letter}{address}": value for address, value in deck.values.items()}
        return found

    def targets(self, rows: Mapping[str, Parameter]) -> dict[str, float]:
        """Return the values of the parameters in `rows`, clipped to their ranges, by whole address."""
        return {address: rows[address].clip(value) for address, value in self.flat().items() if address in rows}


class DeckValues(Protocol):
    """A deck's parameters and values, as a snapshot reads them. `realtime.decks.player.Player` has these."""

    @property
    def table(self) -> Table:
        """Its parameters, the host's included."""

    @property
    def values(self) -> np.ndarray:
        """Their values, by index."""

    @property
    def source(self) -> Path | None:
        """The file of its model under its original name."""


def capture(name: str, number: int, players: Mapping[str, DeckValues], sha256: Mapping[str, str]) -> Snapshot:
    """Take a snapshot of the current values.

    Parameters
    ----------
    players
        The decks, by letter.
    sha256
        The digest of each letter's model.

    Returns
    -------
    Snapshot
        Of every value, since exclusions apply when it is recalled; without the states of decks.
    """
    decks = {
        letter: DeckSnapshot(player.source.stem, sha256.get(letter, ""), deck_values(player))
        for letter, player in players.items()
        if player.source is not None
    }
    host = host_values(next(iter(players.values()))) if players else {}
    return Snapshot(name, number, host, decks)


def host_values(player: DeckValues) -> dict[str, float]:
    """Return the host's values by address; each deck's array has them."""
    return _values(player, host=True)


def deck_values(player: DeckValues) -> dict[str, float]:
    """Return a deck's values by address, without its letter."""
    return _values(player, host=False)


def _values(player: DeckValues, *, host: bool) -> dict[str, float]:
    values = player.values.tolist()
    return {
        row.address: values[row.index]
        for row in player.table.by_index
        if row.kind not in ("trigger", "list")
        and (row.where != "deck") is host
        and math.isfinite(values[row.index])  # NaN and infinity can neither be set nor stored
    }


def _check_values(values: Mapping[str, float]) -> None:
    for address, value in values.items():
        if not ADDRESS.fullmatch(address):
            raise SnapshotError(f"The address of a parameter looks like /gain or /latent/1, not {address!r:.80}.")
        if not math.isfinite(value):
            raise SnapshotError(f"The value of {address} is {value}, and must be finite.")
