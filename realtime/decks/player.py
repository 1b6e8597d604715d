"""What a letter plays: its model, its effects, its knobs, and the deck's process."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.format.card import Card
from realtime.decks.client import DeckProcess
from realtime.effects.chain import Effect, rows
from realtime.library.opening import OpenedModel
from realtime.params.table import Parameter, Table, table


@dataclass(frozen=True)
class Loaded:
    """A model that has been read, and what its sound shall go through."""

    opened: OpenedModel
    card: Card
    effects: tuple[Effect, ...]

    @property
    def table(self) -> Table:
        """The knobs that a deck has with it."""
        return table(self.card, rows(self.effects))


class Player:
    """What a letter plays, and its knobs.

    Attributes
    ----------
    values : np.ndarray [shape=(MAX_PARAMETERS,)]
        The letter's part of the shared array of values, by index of its table. The host's rows stand in each letter's.
    silenced : str
        Why the letter is kept silent, or nothing.
    widened_ms : float
        What underruns have added to the decode-ahead.
    """

    def __init__(self, letter: str, values: np.ndarray) -> None:
        self.letter = letter
        self.values = values
        self.table: Table = table()
        self.opened: OpenedModel | None = None
        self.card: Card | None = None
        self.effects: tuple[Effect, ...] = ()
        self.process: DeckProcess | None = None
        self.slot = -1
        self.silenced = ""
        self.past_underruns = 0
        self.lock = threading.RLock()  # held while the deck is exchanged
        self.faders: list[Parameter] = []
        self.ready_at = 0.0
        self.quick_deaths = 0
        self.start_after = 0.0
        self.slow_since = 0.0
        self.seen_underruns = 0
        self.widened_ms = 0.0
        self.restarting = False
        self._stood: dict[str, float] = {}  # where knobs were that models before this one had
        self.values[: len(self.table)] = [row.default for row in self.table.by_index]

    @property
    def source(self) -> Path | None:
        """The file of its model, as it was named."""
        return self.opened.source if self.opened is not None else None

    @property
    def model(self) -> Path | None:
        """The file that plays."""
        return self.opened.model if self.opened is not None else None

    @property
    def digest(self) -> str:
        """The SHA-256 of the file that plays."""
        return self.opened.digest if self.opened is not None else ""

    @property
    def underruns(self) -> int:
        """Frames that came too late since the session began."""
        now = int(self.process.state["underruns"]) if self.process is not None else 0
        return self.past_underruns + now

    def settings(self) -> list[tuple[int, float]]:
        """What a deck is told when it starts: every knob of the deck that holds a value."""
        rows = (row for row in self.table.by_index if row.where != "host" and row.kind not in ("trigger", "list"))
        return [(row.index, float(self.values[row.index])) for row in rows]

    def take(self, loaded: Loaded) -> None:
        """Turn to another model; knobs of the same address keep their place, over models that don't have them too."""
        self._stood |= {row.address: float(self.values[row.index]) for row in self.table.by_index}
        rows = loaded.table
        stand = [row.clip(self._stood.get(row.address, row.default)) for row in rows.by_index]
        self.values[: len(rows)] = stand  # at once, and before the table that it is read by
        self.table, self.faders = rows, list(rows.latents)
        self.opened, self.card, self.effects = loaded.opened, loaded.card, loaded.effects

    def set(self, values: Mapping[str, float]) -> None:
        """Put knobs of the deck somewhere, by address; those that it hasn't are left out."""
        for address, value in values.items():
            if address in self.table and self.table[address].where == "deck":
                self.values[self.table[address].index] = self.table[address].clip(value)
