"""Loading: starts decks, crossfades from one to the next, and ends those that have been replaced.

A letter has two slots of the mixer. A fresh deck starts beside the playing one, is warmed up, and is plugged into the
free slot. The old deck is faded out and ends when it is silent. A change of effects is loaded in the same way, by a
twin that takes over the state of the playing deck.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np

from export.errors import GlitchError
from export.format.io import load
from realtime.audio.device_client import DeviceClient
from realtime.decks.deck_client import DeckClient, DeckError, wait_for
from realtime.decks.lookahead import Lookahead
from realtime.decks.player import Loaded, Player
from realtime.effects.chain import Effect, rows
from realtime.ipc.child_process import ChildProcess
from realtime.ipc.memory_layout import LETTERS
from realtime.ipc.segment_registry import SegmentRegistry
from realtime.library import conversion_process
from realtime.library.opening import open_model

RESTART_FADE_MS = 20.0
BLOCK_TIMEOUT_S = 1.0
MAX_EFFECTS = 16
MAX_CHANGES = 16  # changes of effects that may be waiting
MAX_CONVERSIONS = 8  # models that may be opened or waiting to be converted, apart from other loads
NO_INPUT = (
    "The model '{name}' transforms live input, but there is none, so its input is silent; start glitch-live with "
    "--input default, or with --input and a device that --list-devices names."
)


class OvertakenError(DeckError):
    """A model was not loaded because another was asked for after it."""


class DeckLog(Protocol):
    """Logs decks, so that their sound can be rendered again; `realtime.takes.journal.Journal` is one."""

    def add_deck(
        self,
        process: DeckClient,
        letter: str,
        digest: str,
        addresses: Iterable[str],
        values: Sequence[tuple[int, float]],
        states: Sequence[tuple[int, Path]],
        state: int | None,
    ) -> None:
        """Log a deck that is about to play, and follow its events."""

    def remove_deck(self, process: DeckClient) -> None:
        """Log the last events of a deck that is about to end."""

    def scratch_path(self, name: str) -> Path:
        """Name a file for a state that is passed from one deck to the next."""


class DeckLoader:
    """Starts, replaces and ends decks, in threads of its own.

    Parameters
    ----------
    players
        By letter.
    lookahead
        Sets how far the decks decode ahead.
    stream
        Name of the stream segment.
    sample_rate
        Of the stream, in Hz.
    seed
        Of everything random in the decks.
    inputs
        Channels of the live input.
    log
        Logs the decks.
    known_states
        Called with the digest of a model; returns the states that a deck may be asked to restore, as pairs of number
        and file.
    changed
        Called, from any thread, when a deck has been replaced.
    notify
        Called with a sentence for the performer.
    child
        A deck process that was started in advance, for the first model.

    Attributes
    ----------
    sample_rate : float
        Of the stream, in Hz; to be set when the device changes it.
    closing : bool
        Whether the session is ending.
    state_numbers : Iterator[int]
        Numbers for captured states, unique in the session.
    """

    def __init__(
        self,
        players: Mapping[str, Player],
        output: DeviceClient,
        registry: SegmentRegistry,
        lookahead: Lookahead,
        *,
        stream: str,
        sample_rate: float,
        seed: int,
        inputs: int,
        log: DeckLog,
        known_states: Callable[[str], list[tuple[int, Path]]],
        changed: Callable[[], None],
        notify: Callable[[str], None],
        child: ChildProcess | None = None,
    ) -> None:
        self._players, self._output, self._registry, self._lookahead = players, output, registry, lookahead
        self._stream, self.sample_rate, self._seed, self._inputs = stream, sample_rate, seed, inputs
        self._log, self._known_states, self._changed, self._notify = log, known_states, changed, notify
        self._deck_numbers = itertools.count()
        self.state_numbers = itertools.count(1)
        self._idle_children = [child] if child is not None else []
        self._workers = ThreadPoolExecutor(4 * len(LETTERS), thread_name_prefix="loader")  # most wait for their deck
        self._converters = ThreadPoolExecutor(MAX_CONVERSIONS, thread_name_prefix="converter")  # busy for minutes
        self._stop_conversions = threading.Event()
        self._lock = threading.Lock()
        self._tickets = itertools.count()
        self._latest_ticket: dict[str, int] = {}  # by letter: the load that was asked for last
        self._changes: list[Future[None]] = []  # of effects
        self.closing = False

    def load(
        self,
        letter: str,
        model: str | os.PathLike[str],
        *,
        fade_ms: float = 0.0,
        effects: tuple[Effect, ...] | None = None,
        values: Mapping[str, float] | None = None,
    ) -> Future[None]:
        """Load a model and crossfade to it.

        A foreign model is converted first, while the decks play on. Effects and parameters keep their values except
        for those given. If another load for the letter is asked for before this one has begun, it raises
        `OvertakenError`.

        Parameters
        ----------
        letter
            Where it is to play.
        model
            The model file.
        fade_ms
            Time of the crossfade, in ms.
        effects
            The chain of effects; None keeps the present one.
        values
            Parameter values by address.

        Returns
        -------
        Future
            Completes when the old deck has ended, or raises `GlitchError`.
        """
        path = Path(model).absolute()
        ticket = self._latest_ticket[letter] = next(self._tickets)
        workers = self._converters if conversion_process.needs_conversion(path) else self._workers
        return workers.submit(self._load, self._players[letter], path, fade_ms, effects, values or {}, ticket)

    def set_effects(
        self, letter: str, change: Callable[[tuple[Effect, ...]], tuple[Effect, ...]], *, fade_ms: float
    ) -> Future[None]:
        """Change the effects of a deck, by a crossfade to a twin that continues from the deck's state.

        Parameters
        ----------
        letter
            The deck's letter.
        change
            Takes the present chain, and returns the new one.
        fade_ms
            Time of the crossfade, in ms.

        Returns
        -------
        Future
            Completes when the old deck has ended, or raises `GlitchError`.

        Raises
        ------
        DeckError
            Too many changes are waiting already.
        """
        with self._lock:
            self._changes = [waiting for waiting in self._changes if not waiting.done()]
            if len(self._changes) >= MAX_CHANGES:
                raise DeckError(f"{MAX_CHANGES} changes of effects are under way already; wait for one of them.")
            future = self._workers.submit(self._set_effects, self._players[letter], change, fade_ms)
            self._changes.append(future)
        return future

    def submit(self, task: Callable[[Player], None], player: Player) -> None:
        """Run a task for a player in one of the loader's threads."""
        self._workers.submit(task, player)

    def replace_silent(self, player: Player) -> None:
        """Replace a deck that is not being played, such as after a change of the sample rate, by an equal one."""
        try:
            with player.lock:
                if player.process is not None and player.model is not None and player.card is not None:
                    self.start_in(player, self.remove(player))
        except GlitchError as error:
            self._notify(f"{player.name} cannot go on: {error}")

    def remove(self, player: Player, *, drain: bool = False) -> int:
        """Unplug and end a player's deck.

        Parameters
        ----------
        player
            A player that has a deck; the caller holds its lock.
        drain
            Whether to wait until the mixer has played all of the deck's ring, and its fade-out.

        Returns
        -------
        int
            The slot that the deck had, which is free now.
        """
        process, slot = player.process, player.slot
        assert process is not None
        player.process = None
        if drain:
            wait_for(lambda: self.closing or self._output.drained(slot), BLOCK_TIMEOUT_S)
        self._end(player, process, slot)
        return slot

    def start_in(self, player: Player, slot: int) -> None:
        """Start a deck with a player's model, effects and values, and plug it into a free slot."""
        with self._lookahead.extended():
            player.process, player.seen_underruns = self._start(player), 0
        _send_changed_values(player, player.process)
        self._output.plug(slot, player.process.segment, gain=player.gain(), ramp_ms=RESTART_FADE_MS)
        self._changed()

    def close(self) -> None:
        """Wait for the threads and end every deck. The stream must be closed by now."""
        self.closing = True
        self._stop_conversions.set()
        self._converters.shutdown(wait=True, cancel_futures=True)
        self._workers.shutdown(wait=True, cancel_futures=True)
        for player in self._players.values():
            if player.process is not None:
                player.process.close()
        for child in self._idle_children:
            child.close()

    def _load(
        self,
        player: Player,
        model: Path,
        fade_ms: float,
        effects: tuple[Effect, ...] | None,
        values: Mapping[str, float],
        ticket: int,
    ) -> None:
        self._check_latest(player, model, ticket)
        # without the lock, since a conversion may take minutes
        opened = open_model(model, notify=self._notify, stop=self._stop_conversions)
        with player.lock:
            self._check_latest(player, model, ticket)
            _, card = load(opened.model)
            if card.live_method == "transform" and not self._inputs:
                self._notify(NO_INPUT.format(name=card.name))
            loaded = Loaded(opened, card, player.effects if effects is None else effects)
            with self._lookahead.extended():
                self._crossfade_to(player, loaded, fade_ms, values)

    def _check_latest(self, player: Player, model: Path, ticket: int) -> None:
        if ticket != self._latest_ticket[player.letter]:
            raise OvertakenError(f"{model.name} was not loaded: another model was asked for after it.")

    def _set_effects(
        self, player: Player, change: Callable[[tuple[Effect, ...]], tuple[Effect, ...]], fade_ms: float
    ) -> None:
        with player.lock:
            effects = change(player.effects)
            if len(effects) > MAX_EFFECTS:
                raise DeckError(f"A deck has at most {MAX_EFFECTS} effects; take one out first.")
            if player.opened is None or player.card is None:
                raise DeckError(f"{player.name} plays nothing; load a model on it first.")
            loaded = Loaded(player.opened, player.card, effects)
            with self._lookahead.extended():
                self._crossfade_to(player, loaded, fade_ms, _values_of_effects(player, effects), twin=True)

    def _crossfade_to(
        self,
        player: Player,
        loaded: Loaded,
        fade_ms: float,
        values: Mapping[str, float] | None = None,
        *,
        twin: bool = False,
    ) -> None:
        """Replace a player's deck by a fresh one; a twin continues from the old deck's state."""
        incoming = Player(player.letter, np.zeros_like(player.values))
        incoming.table, incoming.values[:] = player.table, player.values
        incoming.extra_ms = player.extra_ms
        incoming.switch_to(loaded)
        incoming.set_values(values or {})
        process = self._start(incoming, twin_of=player.process if twin else None)
        old, old_slot = player.process, player.slot
        k = LETTERS.index(player.letter)
        slot = 2 * k + (1 - old_slot % 2 if old is not None else 0)
        player.switch_to(loaded)
        player.set_values(values or {})
        player.process, player.slot, player.muted_because, player.seen_underruns = process, slot, "", 0
        _send_changed_values(player, process)
        self._output.plug(slot, process.segment, gain=player.gain(), ramp_ms=fade_ms)
        self._changed()
        if old is not None:
            self._output.fade(old_slot, 0.0, fade_ms)
            wait_for(lambda: self.closing or self._output.silent(old_slot), fade_ms / 1000.0 + BLOCK_TIMEOUT_S)
            self._end(player, old, old_slot)

    def _start(self, player: Player, *, twin_of: DeckClient | None = None) -> DeckClient:
        """Start a deck and wait until its ring is filled."""
        assert player.model is not None
        assert player.card is not None
        process = DeckClient(
            player.model,
            player.card,
            self._registry,
            sample_rate=self.sample_rate,
            stream=self._stream,
            inputs=self._inputs,
            seed=self._seed,
            effects=player.effects,
            number=next(self._deck_numbers),
            child=self._idle_children.pop() if self._idle_children else None,
        )
        self._lookahead.set(player, process)  # the deck fills its ring up to this before it plays
        try:
            process.load()
            states, state = self._known_states(player.digest), None
            if twin_of is not None and twin_of.alive:
                state = next(self.state_numbers)
                states = [*states, (state, self._log.scratch_path(f"{state}.state"))]
                twin_of.capture(state)
                twin_of.save_state(state, states[-1][1])
            values = player.deck_values()  # read once: they may change now, and the log must match the deck
            self._log.add_deck(process, player.letter, player.digest, player.table, values, states, state)
            process.play(values, [(number, str(path)) for number, path in states], state)
        except BaseException:
            process.close()
            raise
        self._lookahead.set(player, process)
        self._players[player.letter].ready_at = time.monotonic()
        return process

    def _end(self, player: Player, process: DeckClient, slot: int) -> None:
        """Unplug a deck and end it."""
        self._output.unplug(slot)
        player.past_underruns += int(process.state["underruns"])
        self._log.remove_deck(process)
        process.close()


def _values_of_effects(player: Player, effects: tuple[Effect, ...]) -> dict[str, float]:
    """Give the values of a new chain by address: an effect that stays keeps its values, a new one has its defaults."""
    values = {row.address: row.default for row in rows(effects)}
    before = {id(effect): place for place, effect in enumerate(player.effects, 1)}
    for place, effect in enumerate(effects, 1):
        was, now = f"/fx/{before.get(id(effect), 0)}/", f"/fx/{place}/"
        for address, row in player.table.items():
            if address.startswith(was):
                values[now + address.removeprefix(was)] = float(player.values[row.index])
    return values


def _send_changed_values(player: Player, process: DeckClient) -> None:
    """Send a deck the values that changed while it was starting."""
    initial = process.initial_values
    while changed := [(index, value) for index, value in player.deck_values() if initial.get(index) != value]:
        initial |= dict(changed)
        process.send_all(changed)
