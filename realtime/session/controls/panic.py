"""Panic: fade out, return every deck to rest, fade in again."""

from __future__ import annotations

import time
from collections.abc import Mapping

from realtime.audio.device_client import DeviceClient
from realtime.decks.player import Player
from realtime.ipc.memory_layout import MUTE_MS
from realtime.session.controls.parameters import Parameters
from realtime.session.stage_clock import StageClock


class Panic:
    """Mutes the output, by hand and while a panic lasts.

    Parameters
    ----------
    output
        The output that is muted.
    players
        The decks that return to rest, by letter.
    """

    def __init__(
        self, output: DeviceClient, players: Mapping[str, Player], parameters: Parameters, clock: StageClock
    ) -> None:
        self._output, self._players, self._parameters, self._clock = output, players, parameters, clock
        self._ends = 0.0

    def trigger(self) -> None:
        """Fade out and reset every deck; `tend` fades in when the sound that was decoded before is over."""
        self._output.mute(True)
        ahead = 0
        for player in self._players.values():
            if player.process is not None:
                player.process.send(player.table["/reset"].index, 1.0)
                ahead = max(ahead, int(player.process.state["lookahead"]) + 3 * int(player.process.state["hop"]))
        self._ends = time.monotonic() + MUTE_MS / 1000.0 + ahead / self._clock.sample_rate

    def mute(self, on: bool, sample: int = 0) -> None:
        """Mute or unmute. A panic outlasts an unmute of now, and doesn't affect one of a later sample position."""
        self._output.mute(on or (sample == 0 and self._ends > 0), sample)

    def tend(self) -> None:
        """End a panic whose time is over."""
        if self._ends and time.monotonic() >= self._ends:
            self._ends = 0.0
            self._output.mute(bool(self._parameters.get("/mute")))
