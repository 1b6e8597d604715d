"""What plays at a letter: model, effects, parameter values and the deck process."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.format.card import Card
from realtime.decks.deck_client import DeckClient
from realtime.effects.chain import Effect, rows
from realtime.ipc.memory_layout import LETTERS
from realtime.library.opening import OpenedModel
from realtime.params.table import Parameter, Table, table


@dataclass(frozen=True)
class Loaded:
    """A model whose card has been read, with the effects that follow it."""

    opened: OpenedModel
    card: Card
    effects: tuple[Effect, ...]

    @property
    def table(self) -> Table:
        """The parameters of a deck that plays it."""
        return table(self.card, rows(self.effects))


class Player:
    """What plays at a letter, with the values of its parameters.

    Parameters
    ----------
    letter
        One of `LETTERS`.
    values : np.ndarray [shape=(MAX_PARAMETERS,)], float64
        The letter's part of the shared values, by index of its table. Every letter holds the host's rows as well.

    Attributes
    ----------
    table : Table
        The parameters of the current model and effects.
    process : DeckClient or None
        The deck that plays; None before the first model is loaded and while a deck is replaced.
    slot : int
        The mixer slot that the deck is plugged into, -1 for none.
    muted_because : str
        The reason why the deck is muted; empty while it is not.
    past_underruns : int
        Underruns of the decks that played here before.
    seen_underruns : int
        Underruns of the present deck that have extended the look-ahead.
    extra_ms : float
        Look-ahead that underruns have added, in ms.
    lock : threading.RLock
        Held while the deck is replaced.
    ready_at, start_after, slow_since : float
        Times on `time.monotonic`: when the present deck was ready, before when no deck is started again, and since
        when the deck has been on the other side of its deadline.
    quick_deaths : int
        Decks in a row that died soon after they started.
    restarting : bool
        Whether a dead deck is being replaced.
    """

    def __init__(self, letter: str, values: np.ndarray) -> None:
        self.letter = letter
        self.values = values
        self.table: Table = table()
        self.opened: OpenedModel | None = None
        self.card: Card | None = None
        self.effects: tuple[Effect, ...] = ()
        self.process: DeckClient | None = None
        self.slot = -1
        self.muted_because = ""
        self.past_underruns = 0
        self.seen_underruns = 0
        self.extra_ms = 0.0
        self.lock = threading.RLock()
        self.faders: list[Parameter] = []
        self.ready_at = 0.0
        self.start_after = 0.0
        self.slow_since = 0.0
        self.quick_deaths = 0
        self.restarting = False
        self._last_values: dict[str, float] = {}  # by address, of all models that have played here
        self.values[: len(self.table)] = [row.default for row in self.table.by_index]

    @property
    def name(self) -> str:
        """The name in messages, as `Deck A`."""
        return f"Deck {self.letter.upper()}"

    @property
    def source(self) -> Path | None:
        """The model file as it was named, before any conversion."""
        return self.opened.source if self.opened is not None else None

    @property
    def model(self) -> Path | None:
        """The `.onnx` file that plays."""
        return self.opened.model if self.opened is not None else None

    @property
    def digest(self) -> str:
        """The SHA-256 of the file that plays."""
        return self.opened.digest if self.opened is not None else ""

    @property
    def underruns(self) -> int:
        """Underruns since the session began."""
        now = int(self.process.state["underruns"]) if self.process is not None else 0
        return self.past_underruns + now

    def gain(self, place: float | None = None) -> float:
        """Compute the gain of the player's mixer slot from the crossfader.

        Parameters
        ----------
        place
            A position of the crossfader, 0 (deck A) to 1 (deck B); None takes the value of `/crossfade`.

        Returns
        -------
        float
            Linear gain, 0 to 1; 0 while the deck is muted.
        """
        if self.muted_because:
            return 0.0
        x = float(self.values[self.table["/crossfade"].index]) if place is None else place
        return 1.0 - x if self.letter == LETTERS[0] else x

    def deck_values(self) -> list[tuple[int, float]]:
        """List the values that a deck begins with: pairs of parameter index and value."""
        rows = (row for row in self.table.by_index if row.where != "host" and row.kind not in ("trigger", "list"))
        return [(row.index, float(self.values[row.index])) for row in rows]

    def switch_to(self, loaded: Loaded) -> None:
        """Switch to another model; a parameter keeps its value by address, even across models that lack it."""
        self._last_values |= {row.address: float(self.values[row.index]) for row in self.table.by_index}
        rows = loaded.table
        values = [row.clip(self._last_values.get(row.address, row.default)) for row in rows.by_index]
        self.values[: len(rows)] = values  # in one assignment, and before the table that names them
        self.table, self.faders = rows, list(rows.latents)
        self.opened, self.card, self.effects = loaded.opened, loaded.card, loaded.effects

    def set_values(self, values: Mapping[str, float]) -> None:
        """Set parameters of the deck by address; addresses that it lacks are ignored."""
        for address, value in values.items():
            if address in self.table and self.table[address].where == "deck":
                self.values[self.table[address].index] = self.table[address].clip(value)
