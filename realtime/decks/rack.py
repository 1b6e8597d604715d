"""The rack: decks A and B, what they play, and how one model takes the place of another.

A letter has two slots of the mixer. Loading a model starts a fresh deck beside the one that plays, warms it, plugs it
into the free slot and crosses over; the old one is retired when it cannot be heard any more. A deck that dies is
replaced in the same way, from silence.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from export.errors import GlitchError
from export.format.io import load
from realtime.audio.output import Output
from realtime.decks.client import DeckError, DeckProcess, wait_for
from realtime.decks.lookahead import Lookahead
from realtime.decks.player import Loaded, Player
from realtime.effects.chain import Effect, rows
from realtime.ipc.child import Child
from realtime.ipc.layout import LETTERS, MAX_PARAMETERS
from realtime.ipc.registry import Registry
from realtime.ipc.segments import Segment
from realtime.library import conversion
from realtime.library.opening import open_model
from realtime.params.table import HOST_ROWS, Parameter
from realtime.takes.journal import Journal

CROSSFADER_MS = 10.0
RESTART_FADE_MS = 20.0
BLOCK_TIMEOUT_S = 1.0
QUICK_DEATH_S = 5.0
PATIENCE = 30  # quick deaths in a row, after which a deck is started again only now and then
PAUSE_S = 5.0
DEATHS_BY_PLUGIN = 2
MOST_EFFECTS = 16
MOST_CHANGES = 16  # of effects, that wait
MOST_CONVERTED = 8  # models that are opened or wait to be converted, beside the rest
TOO_SLOW_S = 2.0  # above its deadline for so long, a deck is muted
DEAF = (
    "The model '{name}' transforms live input, and there is none, so it hears silence; start glitch-live with "
    "--input default, or with --input and a device that --list-devices names."
)


class OvertakenError(DeckError):
    """A model was not loaded, because another was asked for after it."""


class Rack:
    """Decks A and B on an output.

    Parameters
    ----------
    journal
        Notes what decks do.
    known
        Gives, for the digest of a model, the states that a deck may be asked to restore: pairs of number and file.
    changed
        Called, from any thread, when what plays where has changed.
    note
        Called with a sentence that the player should read.
    waiting
        A deck's process that was started ahead of time, for the first model.
    """

    def __init__(
        self,
        output: Output,
        segment: Segment,
        registry: Registry,
        *,
        sample_rate: float,
        seed: int,
        inputs: int,
        journal: Journal,
        known: Callable[[str], list[tuple[int, Path]]],
        changed: Callable[[], None],
        note: Callable[[str], None],
        waiting: Child | None = None,
    ) -> None:
        self.output, self._registry, self.sample_rate, self._seed = output, registry, sample_rate, seed
        self._segment, self._stream, self._inputs = segment, segment["stream"][0], inputs
        self._journal, self._known, self._changed, self._note = journal, known, changed, note
        self._numbers = itertools.count()
        self.state_numbers = itertools.count(1)
        self._waiting = [waiting] if waiting is not None else []
        values = segment["values"].reshape(len(LETTERS), MAX_PARAMETERS)
        self.players = {letter: Player(letter, values[k]) for k, letter in enumerate(LETTERS)}
        for player in self.players.values():
            player.values[player.table["/walk/seed"].index] = seed
        self.lookahead = Lookahead(self._stream, self.players, sample_rate, inputs, changed)
        self._workers = ThreadPoolExecutor(4 * len(LETTERS), thread_name_prefix="loader")  # most wait for their deck
        self._converters = ThreadPoolExecutor(MOST_CONVERTED, thread_name_prefix="converter")  # they wait for minutes
        self._given_up = threading.Event()
        self._asking = threading.Lock()
        self._counted = itertools.count()
        self._tickets: dict[str, int] = {}  # of the load that was asked for last
        self._changing: list[Future[None]] = []
        self._closing = False

    def load(
        self,
        letter: str,
        model: str | os.PathLike[str],
        *,
        fade_ms: float = 0.0,
        effects: tuple[Effect, ...] | None = None,
        values: Mapping[str, float] | None = None,
    ) -> Future[None]:
        """Prepare a model and cross over to it; the future ends when the old one is gone, or raises `GlitchError`.

        A model that must be converted is converted first, beside the playing. Effects and knobs stay as they are,
        but for those given, by address. A load that hasn't begun when another is asked for raises `OvertakenError`:
        what was wanted last is what plays.
        """
        path = Path(model).absolute()
        ticket = self._tickets[letter] = next(self._counted)
        workers = self._converters if conversion.foreign(path) else self._workers
        return workers.submit(self._load, self.players[letter], path, fade_ms, effects, values or {}, ticket)

    def set_effects(
        self, letter: str, change: Callable[[tuple[Effect, ...]], tuple[Effect, ...]], *, fade_ms: float
    ) -> Future[None]:
        """Change what a deck's sound goes through, by a twin with other effects that takes over where the deck is.

        Raises
        ------
        DeckError
            So many changes are under way already that this one is refused.
        """
        with self._asking:
            self._changing = [one for one in self._changing if not one.done()]
            if len(self._changing) >= MOST_CHANGES:
                raise DeckError(f"{MOST_CHANGES} changes of effects are under way already; wait for one of them.")
            coming = self._workers.submit(self._exchange_effects, self.players[letter], change, fade_ms)
            self._changing.append(coming)
        return coming

    def send(self, player: Player, turned: Sequence[tuple[Parameter, float]], sample: int = 0) -> None:
        """Set knobs of a deck, together."""
        for row, value in turned:
            player.values[row.index] = value
        if player.process is not None:
            player.process.send_all([(row.index, value) for row, value in turned], sample)

    def set_host_value(self, row: Parameter, value: float, sample: int = 0) -> None:
        """Keep a knob of the host, for whoever reads the values, and tell the decks where it is theirs too."""
        for player in self.players.values():
            player.values[row.index] = value
        if row.where == "both":
            self.send_to_decks(row, value, sample)

    def send_to_decks(self, row: Parameter, value: float, sample: int = 0) -> None:
        """Tell every deck of a knob of the host."""
        for player in self.players.values():
            if player.process is not None:
                player.process.send(row.index, value, sample)

    def set_crossfade(self, place: float | None = None, sample: int = 0) -> None:
        """Let the crossfader be heard, where it stands or at a place between A (0) and B (1)."""
        for player in self.players.values():
            if player.process is not None:
                self.output.fade(player.slot, self._gain(player, place), CROSSFADER_MS, sample)

    def change_rate(self, sample_rate: float) -> None:
        """Put fresh decks that play at another rate in the place of all."""
        self.sample_rate = self.lookahead.sample_rate = sample_rate
        for player in self.players.values():
            if player.process is not None:
                self._workers.submit(self._again, player)

    def supervise(self) -> None:
        """Look after the decks: widen those that come late, mute the hopeless, replace the dead. Never waits."""
        self.lookahead.tend()
        for player in self.players.values():
            process = player.process
            if process is None or player.restarting:
                continue
            self.lookahead.widen(player, process)
            self._hear_problems(player, process)
            self._judge(player, process)
            if not process.alive and time.monotonic() >= player.start_after:
                player.restarting = True
                self._workers.submit(self._restart, player)

    def close(self) -> None:
        """End every deck. The stream is closed by now."""
        self._closing = True
        self._given_up.set()
        self._converters.shutdown(wait=True, cancel_futures=True)
        self._workers.shutdown(wait=True, cancel_futures=True)
        for player in self.players.values():
            if player.process is not None:
                player.process.close()
        for child in self._waiting:
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
        self._must_be_wanted(player, model, ticket)
        named = open_model(model, tell=self._note, stop=self._given_up)  # not under the lock: it may take minutes
        with player.lock:
            self._must_be_wanted(player, model, ticket)
            _, card = load(named.model)
            if card.played == "transform" and not self._inputs:
                self._note(DEAF.format(name=card.name))
            kept = player.effects if effects is None else effects
            with self.lookahead.braced():
                self._cross_to(player, Loaded(named, card, kept), fade_ms, values)

    def _must_be_wanted(self, player: Player, model: Path, ticket: int) -> None:
        if ticket != self._tickets[player.letter]:
            raise OvertakenError(f"{model.name} was not loaded: another model was asked for after it.")

    def _exchange_effects(
        self, player: Player, change: Callable[[tuple[Effect, ...]], tuple[Effect, ...]], fade_ms: float
    ) -> None:
        with player.lock:
            effects = change(player.effects)
            if len(effects) > MOST_EFFECTS:
                raise DeckError(f"A deck has at most {MOST_EFFECTS} effects; take one out first.")
            if player.opened is None or player.card is None:
                raise DeckError(f"Deck {player.letter.upper()} plays nothing; load a model on it first.")
            kept = Loaded(player.opened, player.card, effects)
            with self.lookahead.braced():
                self._cross_to(player, kept, fade_ms, _moved_with_their_effects(player, effects), twin=True)

    def _cross_to(
        self,
        player: Player,
        loaded: Loaded,
        fade_ms: float,
        values: Mapping[str, float] | None = None,
        *,
        twin: bool = False,
    ) -> None:
        """Let a fresh deck take over. A twin goes on from where the deck is that it replaces."""
        incoming = Player(player.letter, np.zeros_like(player.values))
        incoming.table, incoming.values[:] = player.table, player.values
        incoming.widened_ms = player.widened_ms
        incoming.take(loaded)
        incoming.set(values or {})
        process = self._start(incoming, twin_of=player.process if twin else None)
        old, old_slot = player.process, player.slot
        k = LETTERS.index(player.letter)
        slot = 2 * k + (1 - old_slot % 2 if old is not None else 0)
        player.take(loaded)
        player.set(values or {})
        player.process, player.slot, player.silenced, player.seen_underruns = process, slot, "", 0
        _catch_up(player, process)
        self.output.plug(slot, process.segment, gain=self._gain(player), ramp_ms=fade_ms)
        self._changed()
        if old is not None:
            self.output.fade(old_slot, 0.0, fade_ms)
            wait_for(lambda: self._closing or self.output.silent(old_slot), fade_ms / 1000.0 + BLOCK_TIMEOUT_S)
            self._retire(player, old, old_slot)

    def _restart(self, player: Player) -> None:
        """Put a fresh deck with the same knobs in the place of one that died."""
        try:
            with player.lock:
                dead = player.process
                if dead is None or dead.alive or self._closing:
                    return
                lived = time.monotonic() - player.ready_at
                player.quick_deaths = player.quick_deaths + 1 if lived < QUICK_DEATH_S else 1
                if player.quick_deaths > PATIENCE:
                    player.start_after = time.monotonic() + PAUSE_S
                slot = player.slot
                player.process = None
                wait_for(lambda: self._closing or self.output.drained(slot), BLOCK_TIMEOUT_S)
                self._retire(player, dead, slot)
                self._drop_what_kills(player)
                self._begin(player, slot)
                self._note(f"Deck {player.letter.upper()} died and was started again.")
        except GlitchError as error:
            self._note(f"Deck {player.letter.upper()} cannot be started again: {error}")
        finally:
            player.restarting = False

    def _again(self, player: Player) -> None:
        """Start a deck once more, as it is, in the place of the one there is, which is silent."""
        try:
            with player.lock:
                old, slot = player.process, player.slot
                if old is None or player.model is None or player.card is None:
                    return
                player.process = None
                self._retire(player, old, slot)
                self._begin(player, slot)
        except GlitchError as error:
            self._note(f"Deck {player.letter.upper()} cannot go on: {error}")

    def _begin(self, player: Player, slot: int) -> None:
        """Start a fresh deck with a player's knobs, and plug it in."""
        with self.lookahead.braced():
            player.process, player.seen_underruns = self._start(player), 0
        _catch_up(player, player.process)
        self.output.plug(slot, player.process.segment, gain=self._gain(player), ramp_ms=RESTART_FADE_MS)
        self._changed()

    def _drop_what_kills(self, player: Player) -> None:
        """Leave out plug-ins of a deck that dies again and again at once: no other part of it is somebody else's."""
        foreign = [effect for effect in player.effects if effect.source]
        if not foreign or player.quick_deaths < DEATHS_BY_PLUGIN or player.opened is None or player.card is None:
            return
        kept = tuple(effect for effect in player.effects if not effect.source)
        player.take(Loaded(player.opened, player.card, kept))
        names = ", ".join(effect.name for effect in foreign)
        self._note(f"Deck {player.letter.upper()} died twice at once; it plays on without the plug-in {names}.")

    def _start(self, player: Player, *, twin_of: DeckProcess | None = None) -> DeckProcess:
        assert player.model is not None
        assert player.card is not None
        process = DeckProcess(
            player.model,
            player.card,
            self._registry,
            sample_rate=self.sample_rate,
            stream=self._segment.name,
            inputs=self._inputs,
            seed=self._seed,
            effects=player.effects,
            number=next(self._numbers),
            child=self._waiting.pop() if self._waiting else None,
        )
        self.lookahead.set(player, process)  # it doesn't play before that much is there
        try:
            process.load()
            states, state = self._known(player.digest), None
            if twin_of is not None and twin_of.alive:
                state = next(self.state_numbers)
                states = [*states, (state, self._journal.scratch_path(f"{state}.state"))]
                twin_of.capture(state)
                twin_of.save_state(state, states[-1][1])
            settings = player.settings()  # once: they may be turned now, and the journal tells what the deck was told
            self._journal.add_deck(process, player.letter, player.digest, player.table, settings, states, state)
            process.play(settings, [(number, str(path)) for number, path in states], state)
        except BaseException:
            process.close()
            raise
        self.lookahead.set(player, process)
        self.players[player.letter].ready_at = time.monotonic()
        return process

    def _retire(self, player: Player, process: DeckProcess, slot: int) -> None:
        """Unplug a deck and end it."""
        self.output.unplug(slot)
        player.past_underruns += int(process.state["underruns"])
        self._journal.remove_deck(process)
        process.close()

    def _gain(self, player: Player, place: float | None = None) -> float:
        if player.silenced:
            return 0.0
        x = float(player.values[player.table["/crossfade"].index]) if place is None else place
        return 1.0 - x if player.letter == LETTERS[0] else x

    def _hear_problems(self, player: Player, process: DeckProcess) -> None:
        """Say what a deck tells of its effects."""
        if int(process.state["problems"]) > process.problems_reported:
            process.problems_reported = int(process.state["problems"])
            self._note(f"Deck {player.letter.upper()}: {process.segment.read_text('problem')}")

    def _judge(self, player: Player, process: DeckProcess) -> None:
        """Mute a deck that cannot keep up, with the reason, and let it be heard again when it can."""
        state = process.state
        slow = float(state["decode_ms"]) > float(state["deadline_ms"]) > 0
        now = time.monotonic()
        if slow == bool(player.silenced):
            player.slow_since = now
        elif now - player.slow_since > TOO_SLOW_S:
            cost = f"a hop takes {float(state['decode_ms']):.1f} ms of {float(state['deadline_ms']):.1f}"
            player.silenced = f"too slow: {cost}" if slow else ""
            name = f"Deck {player.letter.upper()}"
            self._note(f"{name} is muted, since it is {player.silenced}." if slow else f"{name} keeps up again.")
            self.set_crossfade()
            self._changed()


def _moved_with_their_effects(player: Player, effects: tuple[Effect, ...]) -> dict[str, float]:
    """Say where the knobs of a new chain stand: as before where the effect was there before, else by default."""
    values = {row.address: row.default for row in rows(effects)}
    before = {id(effect): place for place, effect in enumerate(player.effects, 1)}
    for place, effect in enumerate(effects, 1):
        was, now = f"/fx/{before.get(id(effect), 0)}/", f"/fx/{place}/"
        for address, row in player.table.items():
            if address.startswith(was):
                values[now + address.removeprefix(was)] = float(player.values[row.index])
    return values


def _catch_up(player: Player, process: DeckProcess) -> None:
    """Tell a deck that has just come what was turned while it was starting."""
    while turned := [
        (index, value) for index, value in player.settings() if process.initial_values.get(index) != value
    ]:
        process.initial_values |= dict(turned)
        process.send_all(turned)


HOST_ADDRESSES = frozenset(row.address for row in HOST_ROWS)


def addresses(players: dict[str, Player], focus: str) -> dict[str, tuple[Player, Parameter]]:
    """Say what every address means now: `/a/…`, `/b/…`, and the plain ones for the host and the deck in focus."""
    meant: dict[str, tuple[Player, Parameter]] = {}
    for letter, player in players.items():
        for row in player.table.by_index:
            if row.address in HOST_ADDRESSES:
                meant[row.address] = (player, row)
            else:
                meant[f"/{letter}{row.address}"] = (player, row)
                if letter == focus:
                    meant[row.address] = (player, row)
    return meant


def failed(future: Future[None]) -> str | None:
    """Give the sentence with which a load failed, if it did."""
    with contextlib.suppress(Exception):
        error = future.exception(timeout=0)
        return str(error) if error is not None else None
    return None
