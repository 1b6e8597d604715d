"""The rack: decks A and B with their parameters, their loader and their supervisor."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

from realtime.audio.device_client import DeviceClient
from realtime.decks.deck_loader import DeckLoader, DeckLog
from realtime.decks.deck_supervisor import DeckSupervisor
from realtime.decks.lookahead import Lookahead
from realtime.decks.player import Player
from realtime.effects.chain import Effect
from realtime.ipc.child_process import ChildProcess
from realtime.ipc.memory_layout import LETTERS, MAX_PARAMETERS
from realtime.ipc.segment_registry import SegmentRegistry
from realtime.ipc.segments import Segment
from realtime.params.table import HOST_ROWS, Parameter

CROSSFADER_MS = 10.0
HOST_ADDRESSES = frozenset(row.address for row in HOST_ROWS)


class Rack:
    """Decks A and B on an output.

    Parameters
    ----------
    output
        The device process that plays them.
    segment
        The stream segment.
    registry
        Where the decks' segments are listed.
    sample_rate
        Of the stream, in Hz.
    seed
        Of everything random in the decks.
    inputs
        Channels of the live input.
    log
        Logs the decks, so that their sound can be rendered again.
    known_states
        Called with the digest of a model; returns the states that a deck may be asked to restore, as pairs of number
        and file.
    changed
        Called, from any thread, when another model or effect plays, or when a deck was muted.
    notify
        Called with a sentence for the performer.
    child
        A deck process that was started in advance, for the first model.

    Attributes
    ----------
    players : dict[str, Player]
        By letter.
    lookahead : Lookahead
        How far the decks decode ahead.
    """

    def __init__(
        self,
        output: DeviceClient,
        segment: Segment,
        registry: SegmentRegistry,
        *,
        sample_rate: float,
        seed: int,
        inputs: int,
        log: DeckLog,
        known_states: Callable[[str], list[tuple[int, Path]]],
        changed: Callable[[], None],
        notify: Callable[[str], None],
        child: ChildProcess | None = None,
    ) -> None:
        self._output = output
        values = segment["values"].reshape(len(LETTERS), MAX_PARAMETERS)
        self.players = {letter: Player(letter, values[k]) for k, letter in enumerate(LETTERS)}
        for player in self.players.values():
            player.values[player.table["/walk/seed"].index] = seed
        self.lookahead = Lookahead(segment["stream"][0], self.players, sample_rate, inputs, changed)
        self._loader = DeckLoader(
            self.players,
            output,
            registry,
            self.lookahead,
            stream=segment.name,
            sample_rate=sample_rate,
            seed=seed,
            inputs=inputs,
            log=log,
            known_states=known_states,
            changed=changed,
            notify=notify,
            child=child,
        )
        self._supervisor = DeckSupervisor(
            self.players,
            self._loader,
            self.lookahead,
            apply_gains=self.set_crossfade,
            changed=changed,
            notify=notify,
        )

    @property
    def state_numbers(self) -> Iterator[int]:
        """Numbers for captured states, unique in the session."""
        return self._loader.state_numbers

    def load(
        self,
        letter: str,
        model: str | os.PathLike[str],
        *,
        fade_ms: float = 0.0,
        effects: tuple[Effect, ...] | None = None,
        values: Mapping[str, float] | None = None,
    ) -> Future[None]:
        """Load a model and crossfade to it; see `DeckLoader.load`."""
        return self._loader.load(letter, model, fade_ms=fade_ms, effects=effects, values=values)

    def set_effects(
        self, letter: str, change: Callable[[tuple[Effect, ...]], tuple[Effect, ...]], *, fade_ms: float
    ) -> Future[None]:
        """Change the effects of a deck; see `DeckLoader.set_effects`."""
        return self._loader.set_effects(letter, change, fade_ms=fade_ms)

    def send(self, player: Player, changes: Sequence[tuple[Parameter, float]], sample: int = 0) -> None:
        """Set parameters of a deck together, at a sample position (0 for at once)."""
        for row, value in changes:
            player.values[row.index] = value
        if player.process is not None:
            player.process.send_all([(row.index, value) for row, value in changes], sample)

    def set_host_value(self, row: Parameter, value: float, sample: int = 0) -> None:
        """Set a parameter of the host, and send it to the decks if they use it as well."""
        for player in self.players.values():
            player.values[row.index] = value
        if row.where == "both":
            self.send_to_decks(row, value, sample)

    def send_to_decks(self, row: Parameter, value: float, sample: int = 0) -> None:
        """Send a parameter of the host to every deck."""
        for player in self.players.values():
            if player.process is not None:
                player.process.send(row.index, value, sample)

    def set_crossfade(self, place: float | None = None, sample: int = 0) -> None:
        """Apply the crossfader to the output.

        Parameters
        ----------
        place
            Between deck A (0) and deck B (1); None takes the value of `/crossfade`.
        sample
            Position on the clock; 0 for at once.
        """
        for player in self.players.values():
            if player.process is not None:
                self._output.fade(player.slot, player.gain(place), CROSSFADER_MS, sample)

    def change_rate(self, sample_rate: float) -> None:
        """Replace all decks by equal ones at another sample rate, in Hz."""
        self._loader.sample_rate = self.lookahead.sample_rate = sample_rate
        for player in self.players.values():
            if player.process is not None:
                self._loader.submit(self._loader.replace_silent, player)

    def supervise(self) -> None:
        """Check every deck once; see `DeckSupervisor.check`. Never waits."""
        self._supervisor.check()

    def close(self) -> None:
        """End every deck. The stream must be closed by now."""
        self._loader.close()


def addresses(players: dict[str, Player], focus: str) -> dict[str, tuple[Player, Parameter]]:
    """List every address with the parameter that it means now.

    Parameters
    ----------
    players
        By letter.
    focus
        The letter that addresses without `/a` or `/b` mean.

    Returns
    -------
    dict
        Player and parameter by address: `/a/…` and `/b/…` for the decks, and plain addresses for the host and the
        deck in focus.
    """
    found: dict[str, tuple[Player, Parameter]] = {}
    for letter, player in players.items():
        for row in player.table.by_index:
            if row.address in HOST_ADDRESSES:
                found[row.address] = (player, row)
            else:
                found[f"/{letter}{row.address}"] = (player, row)
                if letter == focus:
                    found[row.address] = (player, row)
    return found
