"""The parameters of a session: the current meaning of each address, and applying values, now or later."""

from __future__ import annotations

from collections.abc import Callable

from realtime.decks.player import Player
from realtime.decks.rack import Rack, addresses
from realtime.ipc.memory_layout import LETTERS
from realtime.params.table import Parameter, ParameterError, table
from realtime.session.controls.schedule import Schedule
from realtime.session.stage_clock import StageClock

SAMPLE_EXACT = frozenset(
    ("/gain", "/mute", "/crossfade")
)  # the callback applies these itself, at their sample position
LEAD_S = 0.1  # a command for the callback is sent this long before; earlier ones wait here and never fill its memory

Action = Callable[[float, int], None]
"""Called with a value of one of the host's parameters, and a sample position, or 0 for now."""


class Parameters:
    """Every parameter that there is now.

    Parameters
    ----------
    rack
        Holds the values, and sends them to the decks.
    clock, schedule
        Where values of later sample positions wait.

    Attributes
    ----------
    addresses : dict[str, Parameter]
        Every current address with its row; replaced when another model is loaded, never changed.
    """

    def __init__(self, rack: Rack, clock: StageClock, schedule: Schedule) -> None:
        self._rack, self._clock, self._schedule = rack, clock, schedule
        self._actions: dict[str, Action] = {}
        self._resolved: dict[str, tuple[Player, Parameter]] = {}
        self._focus = table()["/focus"].index
        self.addresses: dict[str, Parameter] = {}
        self.refresh()

    @property
    def focus(self) -> str:
        """The letter of the deck in focus, which addresses without a letter refer to."""
        return LETTERS[int(self._rack.players[LETTERS[0]].values[self._focus])]

    @property
    def player(self) -> Player:
        """The deck in focus."""
        return self._rack.players[self.focus]

    def bind(self, address: str, action: Action) -> None:
        """Call `action` whenever a parameter of the host gets a value."""
        self._actions[address] = action

    def refresh(self) -> None:
        """Follow a change of models, effects or focus."""
        self._resolved = addresses(self._rack.players, self.focus)
        self.addresses = {address: row for address, (_, row) in self._resolved.items()}

    def resolve(self, address: str) -> tuple[Player, Parameter]:
        """Find the deck and the row that an address refers to now.

        Returns
        -------
        player : Player
            The deck; the one in focus for an address without a letter.
        row : Parameter
            The row in its present table.

        Raises
        ------
        ParameterError
            There is no such parameter.
        """
        resolved = self._resolved.get(address)
        if resolved is None:
            raise ParameterError(f"There is no parameter {address}; 'glitch-live --list-params' lists them.")
        player, row = resolved
        return player, player.table[row.address]  # its index changes first while a model is being exchanged

    def get(self, address: str) -> float:
        """Return a parameter's value as it was last set."""
        player, row = self.resolve(address)
        return float(player.values[row.index])

    def apply(self, player: Player, row: Parameter, value: float, sample: int = 0) -> None:
        """Give a parameter a value.

        Parameters
        ----------
        value
            Within the range of the row.
        sample
            The sample position of the change; 0 is now.
        """
        if row.where == "deck":
            changes = [(row, value)]
            if row.address == "/loop/record" and value == 0.0 and player.values[row.index]:
                changes.append(
                    (player.table["/loop/play"], 1.0)
                )  # a loop that is closed plays, and its switch shows it
            self._rack.send(player, changes, sample)
        elif sample <= self._clock.now:
            self._rack.set_host_value(row, value, sample)
            if (action := self._actions.get(row.address)) is not None:
                action(value, 0)
        else:
            self._apply_later(player, row, value, sample)

    def show(self, address: str, value: float) -> None:
        """Set a parameter's value without acting on it, since the change has come about otherwise."""
        player, row = self.resolve(address)
        for each in self._rack.players.values() if row.where != "deck" else [player]:
            each.values[row.index] = value

    def _apply_later(self, player: Player, row: Parameter, value: float, sample: int) -> None:
        action = self._actions.get(row.address)
        if action is None or row.address not in SAMPLE_EXACT:
            if row.where == "both":
                self._rack.send_to_decks(row, value, sample)
            self._schedule.add(sample, lambda: self.apply(player, row, value))
            return
        self._schedule.add(sample, lambda: self.show(row.address, value))
        lead = round(LEAD_S * self._clock.sample_rate)
        if sample <= self._clock.now + lead:
            action(value, sample)
        else:  # twice as long ahead, so that it is sent before later requests for the same sample position
            self._schedule.add(sample - 2 * lead, lambda: action(value, sample))
