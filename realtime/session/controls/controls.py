"""Parameters moved by hand: from OSC, MIDI, the window and Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from realtime.decks.player import Player
from realtime.osc.udp import IMMEDIATELY, BadPacketError, number
from realtime.params.table import Parameter, ParameterError
from realtime.session.controls.parameters import Parameters
from realtime.session.stage_clock import StageClock


class Motion(Protocol):
    """Parameters that move by themselves, as in a timed recall."""

    @property
    def moving(self) -> bool:
        """Whether any do."""

    def release(self, address: str) -> None:
        """Stop moving one."""


class Controls:
    """The stage as control surfaces see it: `realtime.params.stage_protocol.Stage`.

    Parameters
    ----------
    clock
        Converts unix times to sample positions.
    motion
        Releases a parameter that is moved by hand.
    require_playing
        Raises where the session doesn't play.
    touch
        Called when a value has changed that the session file keeps.
    """

    def __init__(
        self,
        parameters: Parameters,
        clock: StageClock,
        *,
        motion: Motion,
        require_playing: Callable[[], None],
        touch: Callable[[], None],
    ) -> None:
        self._parameters, self._clock, self._motion = parameters, clock, motion
        self._require_playing, self._touch = require_playing, touch

    @property
    def addresses(self) -> Mapping[str, Parameter]:
        """Every current address with its row; the mapping is replaced when a model is loaded, never changed."""
        return self._parameters.addresses

    def get(self, address: str) -> float:
        """Return a parameter's value as it was last set."""
        self._require_playing()
        return self._parameters.get(address)

    def set(self, address: str, *values: object, at: float = IMMEDIATELY) -> None:
        """Set a parameter, at once or at a unix time; see `realtime.Session.set`."""
        self._require_playing()
        player, row = self._parameters.resolve(address)
        sample = self._clock.sample_at(at)
        if row.kind == "trigger":
            if values[:1] != (0,):  # a button that is released sends 0
                self._move(player, row, 1.0, sample)
            return
        try:
            numbers = [number(value, address) for value in values]
        except BadPacketError as error:
            raise ParameterError(f"{error}.") from None
        if row.kind == "list":
            if not 1 <= len(numbers) <= len(player.faders):
                raise ParameterError(f"{address} takes 1 to {len(player.faders)} numbers, not {len(numbers)}.")
            for target, value in zip(player.faders, numbers, strict=False):
                self._move(player, target, target.clip(value), sample)
        elif len(numbers) != 1:
            raise ParameterError(f"{address} takes one number, not {len(numbers)}.")
        else:
            self._move(player, row, row.clip(numbers[0]), sample)

    def _move(self, player: Player, row: Parameter, value: float, sample: int) -> None:
        if self._motion.moving:
            self._motion.release(row.address if row.where != "deck" else f"/{player.letter}{row.address}")
        self._parameters.apply(player, row, value, sample)
        if row.kind != "trigger":
            self._touch()
