"""Saving and recalling snapshots, at once or in a time, and morphing between them.

The decks move their own parameters, frame by frame; the host moves its own, and follows with the values that are shown.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping

from export.errors import GlitchError
from realtime.decks.deck_client import DeckClient
from realtime.decks.player import Player
from realtime.ipc.memory_layout import RAMP, RESTORE
from realtime.params.table import Parameter, ParameterError, Table
from realtime.session.controls.parameters import Parameters
from realtime.session.recall.deck_states import DeckState, DeckStates
from realtime.session.signals import Signal
from realtime.session.stage_clock import StageClock
from realtime.snapshots.morph import Morph, TimedRecall
from realtime.snapshots.snapshot import Snapshot, capture
from realtime.snapshots.store import Snapshots

Values = Iterable[tuple[str, float]]
"""Whole addresses with the values to set."""


class Recall:
    """Saves and recalls the snapshots of a session. Any thread may call.

    Parameters
    ----------
    snapshots
        The store.
    states
        The states of decks that belong to them.
    players
        The decks, by letter.
    state_numbers
        Numbers for the states that decks capture.
    parameters
        Where the values are set.
    clock
        Measures the time of timed recalls.
    notify
        Called with a sentence where a snapshot has values of other models.
    touched
        Emitted when the session file has something new to keep.
    """

    def __init__(
        self,
        snapshots: Snapshots,
        states: DeckStates,
        players: Mapping[str, Player],
        state_numbers: Iterator[int],
        parameters: Parameters,
        clock: StageClock,
        *,
        notify: Callable[[str], None],
        touched: Signal,
    ) -> None:
        self.snapshots = snapshots
        self._states, self._players, self._state_numbers = states, players, state_numbers
        self._parameters, self._clock, self._notify, self._touched = parameters, clock, notify, touched
        self._settable: tuple[tuple[object, ...], dict[str, Parameter]] = ((), {})
        self._timed: TimedRecall | None = None
        self._timed_decks: dict[str, DeckClient | None] = {}  # the processes that move by the timed recall
        self._morph: tuple[tuple[object, ...], Morph] | None = None
        self._lock = threading.RLock()

    @property
    def moving(self) -> bool:
        """Whether a timed recall is under way."""
        return self._timed is not None

    def save(self, name: str = "", number: int | None = None) -> Snapshot:
        """Save every current value as a snapshot.

        Returns
        -------
        Snapshot
            The saved one. The states of the decks are written to the disk a moment later.

        Raises
        ------
        SnapshotError
            The name or number is invalid or taken.
        """
        with self._lock:
            name, number = self.snapshots.place(name, number)
            snapshot = capture(name, number, self._players, self._digests())
            self.snapshots.save(snapshot)
            for letter, deck in snapshot.decks.items():
                process = self._players[letter].process
                if process is not None:
                    self._states.capture(name, letter, deck, process, next(self._state_numbers))
        self._touched.emit()
        return snapshot

    def recall(self, which: str | float, over_ms: float | None = None) -> Snapshot:
        """Set every parameter to the value of a snapshot.

        A recall at once also restores the states of decks, if `/snapshot/caches` is on and the model is the same. A
        recall never loads a model.

        Parameters
        ----------
        which
            The snapshot's name or number.
        over_ms
            The time it takes, in ms; 0 is at once. Default: `/snapshot/time`.

        Returns
        -------
        Snapshot
            The recalled one.

        Raises
        ------
        SnapshotError
            There is no such snapshot.
        """
        with self._lock:
            snapshot = self.snapshots.find(which)
            over_ms = self._parameters.get("/snapshot/time") if over_ms is None else max(over_ms, 0.0)
            rows = self._rows()
            now = capture("now", 0, self._players, {})
            current = now.flat()
            halted = self._halt(current)
            targets = snapshot.targets(rows)
            changes = [(a, value) for a, value in targets.items() if a in halted or current.get(a) != value]
            held = [(a, value) for a, value in halted.items() if a not in targets]
            restores = over_ms == 0.0 and self._parameters.get("/snapshot/caches")
            states = self._states.restorable(snapshot, self._digests()) if restores else {}
            self._morph = None  # the next one starts from here
            self._send_to_decks(changes, over_ms, states=states, held=held)
            if over_ms:
                length = over_ms / 1000.0 * self._clock.sample_rate
                self._timed = TimedRecall(now, snapshot, rows, began=self._clock.now, length=length)
                self._timed_decks = {letter: player.process for letter, player in self._players.items()}
            else:
                self._show(changes)
            missing = self.snapshots.missing(snapshot, self._tables())
        if missing:
            some = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
            self._notify(
                f"The snapshot '{snapshot.name}' was of other models: {len(missing)} values have no place ({some})."
            )
        self._touched.emit()
        return snapshot

    def recall_program(self, number: int) -> None:
        """Recall the snapshot of a MIDI program, if there is one; a missing one isn't an error."""
        with contextlib.suppress(GlitchError):
            self.recall(number)

    def morph(self) -> None:
        """Set every parameter to the position of `/morph/x` and `/morph/y` between the corners.

        Raises
        ------
        ParameterError
            There are no corners.
        """
        with self._lock:
            corners = self.snapshots.corners
            if not corners:
                raise ParameterError("The morph has no corners; /morph/corners names two to four snapshots.")
            values = [each for one in corners for each in (one.host, *(deck.values for deck in one.decks.values()))]
            made_of = (self.snapshots.rules, *self._tables().values(), *values)
            if self._morph is None or self._morph[0] != made_of:
                self._morph = (made_of, Morph(corners, self._rows(), self._current()))
            halted = self._halt(self._current()) if self.moving else {}
            changes = self._morph[1].at(self._parameters.get("/morph/x"), self._parameters.get("/morph/y"))
            moved = dict(changes)
            self._send_to_decks(changes, held=[(a, value) for a, value in halted.items() if a not in moved])
            self._show(changes)

    def release(self, address: str) -> None:
        """Stop moving a parameter, since the player has moved it."""
        with self._lock:  # so that `advance` doesn't show an older value after it
            if self._timed is not None:
                self._timed.release(address)

    def advance(self) -> None:
        """Continue a timed recall: move the host's own values and those that are shown. Never waits for a deck."""
        if self._timed is None:
            return
        with self._lock:
            timed = self._timed
            if timed is None:
                return
            clock = self._clock.now
            self._send_to_new_decks(timed, clock)
            changes = timed.at(clock)
            self._show(timed.targets.items() if timed.done else changes)
            if timed.done:
                self._timed = None

    def _tables(self) -> dict[str, Table]:
        return {letter: player.table for letter, player in self._players.items()}

    def _digests(self) -> dict[str, str]:
        return {letter: player.digest for letter, player in self._players.items()}

    def _current(self) -> dict[str, float]:
        return capture("now", 0, self._players, {}).flat()

    def _rows(self) -> dict[str, Parameter]:
        """Return every parameter that a recall may set now, by its whole address."""
        tables = self._tables()
        made_of = (self.snapshots.rules, *tables.values())
        if self._settable[0] != made_of:
            self._settable = (made_of, self.snapshots.rows(tables))
        return self._settable[1]

    def _halt(self, current: Mapping[str, float]) -> dict[str, float]:
        """End a timed recall; return the current values of the parameters that the decks would move on."""
        timed, self._timed = self._timed, None
        return {address: current[address] for address in timed.targets if address in current} if timed else {}

    def _send_to_decks(
        self,
        changes: Values,
        over_ms: float = 0.0,
        *,
        states: Mapping[str, DeckState] | None = None,
        held: Values = (),
    ) -> None:
        """Send each deck all its events at once: the state to restore, values to hold, values to move to."""
        states = states or {}
        holding, moving = self._deck_events(held), self._deck_events(changes)
        for letter, player in self._players.items():
            process = player.process
            if process is None:
                continue
            events = holding.get(letter, [])
            if letter in states and states[letter].number in process.known_states:
                events = [(RESTORE, float(states[letter].number)), *events]
            elif letter in states:
                self._states.teach(process, states[letter])
            moves = moving.get(letter, [])
            process.send_all([*events, (RAMP, over_ms), *moves, (RAMP, 0.0)] if over_ms and moves else events + moves)

    def _send_to_new_decks(self, timed: TimedRecall, clock: int) -> None:
        """Let decks that were started during a timed recall join it for the time that is left."""
        for letter, player in self._players.items():
            process = player.process
            if process is None or self._timed_decks.get(letter) is process:
                continue
            self._timed_decks[letter] = process
            moves = self._deck_events(timed.targets.items()).get(letter, [])
            left_ms = 1000.0 * timed.remaining(clock) / self._clock.sample_rate
            process.send_all([(RAMP, left_ms), *moves, (RAMP, 0.0)])

    def _resolved(self, values: Values) -> Iterator[tuple[Player, Parameter, float]]:
        """Resolve addresses, skipping those of a model that is no longer loaded."""
        for address, value in values:
            with contextlib.suppress(ParameterError):
                player, row = self._parameters.resolve(address)
                yield player, row, row.clip(value)

    def _deck_events(self, values: Values) -> dict[str, list[tuple[int, float]]]:
        found: dict[str, list[tuple[int, float]]] = {}
        for player, row, value in self._resolved(values):
            if row.where == "deck":
                found.setdefault(player.letter, []).append((row.index, value))
        return found

    def _show(self, changes: Values) -> None:
        """Show the values that the decks move to, and apply those of the host."""
        for player, row, value in self._resolved(changes):
            if row.where == "deck":
                player.values[row.index] = value
            else:
                self._parameters.apply(player, row, value)
