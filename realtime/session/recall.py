"""Snapshots on the stage: saved while they sound, recalled within a frame, gone over to in a time, morphed between.

What a deck remembers beside its knobs (the model's caches, the phase, where its walk is) is captured by the deck itself
between two frames. It keeps that in memory, so that a recall costs nothing, and writes it to a file, from which a deck
that comes later learns it.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from export.errors import GlitchError
from realtime.engine.state import store_state
from realtime.ipc.layout import RAMP, RESTORE
from realtime.params.table import Parameter, ParameterError, Table
from realtime.snapshots.morph import Glide, Morph
from realtime.snapshots.store import DeckSnapshot, Snapshot, Snapshots, capture

if TYPE_CHECKING:
    from realtime.decks.client import DeckProcess
    from realtime.decks.player import Player
    from realtime.session.session import Session

KEPT = re.compile(r"[0-9a-f]{32}\..+")  # the files that are ours in the folder of memory
SETTLE_S = 5.0

Values = Iterable[tuple[str, float]]  # whole addresses, and what they are set to


@dataclass(frozen=True)
class Memory:
    """A deck's memory that can be brought back: the number that decks know it by, its file, its model's digest."""

    number: int
    path: Path
    digest: str


class Recall:
    """The snapshots of a session, and what is on its way to one.

    Parameters
    ----------
    folder
        Where the decks' memory is kept.
    errands
        Does what takes time, one thing after the other.
    """

    def __init__(self, session: Session, folder: Path, errands: Executor) -> None:
        self._session, self._folder, self._errands = session, folder, errands
        self.snapshots = Snapshots()
        self._kept: dict[tuple[str, str], Memory] = {}  # by letter and the name that snapshots know them by
        self._captured: list[tuple[DeckSnapshot, int]] = []  # what is just being kept: it has a number, and no name yet
        self._settable: tuple[tuple[object, ...], dict[str, Parameter]] = ((), {})
        self._glide: Glide | None = None
        self._gliding: dict[str, DeckProcess | None] = {}  # the decks that were told of it
        self._morph: tuple[tuple[object, ...], Morph] | None = None
        self._lock = threading.RLock()

    def use(self, snapshots: Snapshots) -> None:
        """Take the snapshots of a session file, with as much of their memory as is still there."""
        with self._lock:
            self.snapshots, self._morph = snapshots, None
            for snapshot in snapshots:
                for letter, deck in snapshot.decks.items():
                    if deck.state is None or (letter, deck.state) in self._kept:
                        continue
                    path = self._folder / f"{deck.state}.state"
                    if path.is_file():
                        number = next(self._session.rack.state_numbers)
                        self._kept[letter, deck.state] = Memory(number, path, deck.sha256)
                    else:
                        self._session.say(
                            f"The memory of deck {letter.upper()} in the snapshot '{snapshot.name}' is not at {path}; "
                            "its values are recalled without it."
                        )

    def sweep(self) -> None:
        """Remove the files of memory that no snapshot speaks of any more."""
        spoken_of = {f"{state}.state" for state in self.snapshots.states()}
        with contextlib.suppress(OSError):
            for path in list(self._folder.iterdir()):
                if KEPT.fullmatch(path.name) and path.name not in spoken_of:
                    path.unlink()

    def settle(self) -> None:
        """Wait until the memory of what was saved is on the disk; a deck that hangs is not waited for for ever."""
        with contextlib.suppress(TimeoutError):
            self._errands.submit(lambda: None).result(SETTLE_S)

    def known(self, digest: str) -> list[tuple[int, Path]]:
        """List the memory that a deck with this model may be asked to bring back."""
        with self._lock:
            spoken_of = self.snapshots.states()
            found = [one for (_, state), one in self._kept.items() if state in spoken_of and one.digest == digest]
            return [(one.number, one.path) for one in found]

    def save(self, name: str = "", number: int | None = None) -> Snapshot:
        """Save how everything is now; what the decks remember is written to the disk a moment later.

        Raises
        ------
        SnapshotError
            The name or number cannot be taken.
        """
        session = self._session
        with self._lock:
            players = session.rack.players
            name, number = self.snapshots.place(name, number)
            snapshot = capture(name, number, players, self._digests())
            self.snapshots.save(snapshot)
            for letter, deck in snapshot.decks.items():
                process = players[letter].process
                if process is not None:
                    state = next(session.rack.state_numbers)
                    process.capture(state)
                    self._captured.append((deck, state))
                    self._errands.submit(self._keep, name, letter, deck, state, process)
        session.touch()
        return snapshot

    def recall(self, which: str | float, over_ms: float | None = None) -> Snapshot:
        """Let everything be as a snapshot has it, at once or over a time.

        At once brings the decks' memory back as well, where `/snapshot/caches` says so and the model is the same. No
        model is ever loaded for it.

        Raises
        ------
        SnapshotError
            There is no such snapshot.
        """
        session = self._session
        with self._lock:
            snapshot = self.snapshots.find(which)
            over_ms = session.get("/snapshot/time") if over_ms is None else max(over_ms, 0.0)
            rows = self._rows()
            now = capture("now", 0, session.rack.players, {})
            standing = now.flat()
            halted = self._halt(standing)
            goal = {address: rows[address].clip(value) for address, value in snapshot.flat().items() if address in rows}
            changes = [(a, value) for a, value in goal.items() if a in halted or standing.get(a) != value]
            stays = [(a, value) for a, value in halted.items() if a not in goal]
            memory = self._memory(snapshot) if over_ms == 0.0 and session.get("/snapshot/caches") else {}
            self._morph = None  # wherever it was, it has to begin from here
            self._tell_decks(changes, over_ms, memory=memory, stays=stays)
            if over_ms:
                length = over_ms / 1000.0 * session.sample_rate
                self._glide = Glide(now, snapshot, rows, began=session.clock, length=length)
                self._gliding = {letter: player.process for letter, player in session.rack.players.items()}
            else:
                self._mirror(changes)
            missing = self.snapshots.missing(snapshot, self._tables())
        if missing:
            some = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
            session.say(
                f"The snapshot '{snapshot.name}' was of other models: {len(missing)} values have no place ({some})."
            )
        session.touch()
        return snapshot

    def program(self, number: int) -> None:
        """Recall the snapshot of a MIDI program, if there is one; nothing is sent back."""
        with contextlib.suppress(GlitchError):
            self.recall(number)

    def morph(self) -> None:
        """Go to where the morph's knobs point between its corners."""
        session = self._session
        with self._lock:
            corners = self.snapshots.corners
            if not corners:
                raise ParameterError("The morph has no corners; /morph/corners names two to four snapshots.")
            values = [each for one in corners for each in (one.host, *(deck.values for deck in one.decks.values()))]
            made_of = (self.snapshots.rules, *self._tables().values(), *values)
            if self._morph is None or self._morph[0] != made_of:
                standing = capture("now", 0, session.rack.players, {}).flat()
                self._morph = (made_of, Morph(corners, self._rows(), standing))
            halted = self._halt(capture("now", 0, session.rack.players, {}).flat()) if self.moving else {}
            changes = self._morph[1].at(session.get("/morph/x"), session.get("/morph/y"))
            moved = dict(changes)
            self._tell_decks(changes, stays=[(a, value) for a, value in halted.items() if a not in moved])
            self._mirror(changes)

    @property
    def moving(self) -> bool:
        """Whether something is on its way to a snapshot."""
        return self._glide is not None

    def release(self, address: str) -> None:
        """Leave a parameter that is on its way to whoever has taken hold of it."""
        with self._lock:  # so that what `advance` is about to show does not come after the hand's
            if self._glide is not None:
                self._glide.release(address)

    def advance(self) -> None:
        """Let the values that are shown, and the host's own, go on their way; the decks go by themselves."""
        if self._glide is None:
            return
        with self._lock:
            glide = self._glide
            if glide is None:
                return
            clock = self._session.clock
            self._tell_newcomers(glide, clock)
            changes = glide.at(clock)
            self._mirror(glide.ways.items() if glide.done else changes)
            if glide.done:
                self._glide = None

    def _tables(self) -> dict[str, Table]:
        return {letter: player.table for letter, player in self._session.rack.players.items()}

    def _digests(self) -> dict[str, str]:
        return {letter: player.digest for letter, player in self._session.rack.players.items()}

    def _rows(self) -> dict[str, Parameter]:
        """Give every parameter that a recall may set now, by its whole address."""
        tables = self._tables()
        made_of = (self.snapshots.rules, *tables.values())
        if self._settable[0] != made_of:
            self._settable = (made_of, self.snapshots.rows(tables))
        return self._settable[1]

    def _halt(self, standing: Mapping[str, float]) -> dict[str, float]:
        """End what is on its way; give where that is now which the decks would go on to move by themselves."""
        glide, self._glide = self._glide, None
        return {address: standing[address] for address in glide.ways if address in standing} if glide else {}

    def _memory(self, snapshot: Snapshot) -> dict[str, Memory]:
        """Give what there is to bring back, by letter: that of decks that play the same model now."""
        digests = self._digests()
        captured = {id(deck): number for deck, number in self._captured}
        found = {}
        for letter, deck in snapshot.decks.items():
            if deck.sha256 != digests[letter]:
                continue
            if id(deck) in captured:
                found[letter] = Memory(captured[id(deck)], Path(), deck.sha256)
            elif (letter, deck.state) in self._kept:
                found[letter] = self._kept[letter, deck.state or ""]
        return found

    def _meant(self, values: Values) -> Iterator[tuple[Player, Parameter, float]]:
        """Give what addresses mean now; those of a model that has gone mean nothing."""
        for address, value in values:
            with contextlib.suppress(ParameterError):
                player, row = self._session.controls.meaning(address)
                yield player, row, row.clip(value)

    def _tell_decks(
        self,
        changes: Values,
        over_ms: float = 0.0,
        *,
        memory: Mapping[str, Memory] | None = None,
        stays: Values = (),
    ) -> None:
        """Tell each deck in one go: what it shall remember, what shall stay where it is, and where the rest goes."""
        memory = memory or {}
        players = self._session.rack.players
        staying, going = self._of_decks(stays), self._of_decks(changes)
        for letter, player in players.items():
            process = player.process
            if process is None:
                continue
            events = staying.get(letter, [])
            if letter in memory and memory[letter].number in process.known_states:
                events = [(RESTORE, float(memory[letter].number)), *events]
            elif letter in memory:
                self._errands.submit(self._teach, process, memory[letter])
            way = going.get(letter, [])
            process.send_all([*events, (RAMP, over_ms), *way, (RAMP, 0.0)] if over_ms and way else [*events, *way])

    def _tell_newcomers(self, glide: Glide, clock: int) -> None:
        """Tell decks that have come since it began of the way that is left."""
        for letter, player in self._session.rack.players.items():
            process = player.process
            if process is None or self._gliding.get(letter) is process:
                continue
            self._gliding[letter] = process
            way = self._of_decks(glide.ways.items()).get(letter, [])
            left_ms = 1000.0 * glide.left(clock) / self._session.sample_rate
            process.send_all([(RAMP, left_ms), *way, (RAMP, 0.0)])

    def _of_decks(self, values: Values) -> dict[str, list[tuple[int, float]]]:
        found: dict[str, list[tuple[int, float]]] = {}
        for player, row, value in self._meant(values):
            if row.where == "deck":
                found.setdefault(player.letter, []).append((row.index, value))
        return found

    def _mirror(self, changes: Values) -> None:
        for player, row, value in self._meant(changes):
            if row.where == "deck":
                player.values[row.index] = value
            else:
                self._session.controls.turn(player, row, value)

    def _keep(self, name: str, letter: str, deck: DeckSnapshot, number: int, process: DeckProcess) -> None:
        """Write a deck's memory to its file, and let the snapshot know it."""
        scratch = self._session.journal.scratch_path(f"{number}.captured")
        try:
            process.save_state(number, scratch)
            state = store_state(self._folder, scratch.read_bytes())
            scratch.unlink()
            with self._lock:
                self._kept[letter, state] = Memory(number, self._folder / f"{state}.state", deck.sha256)
                self.snapshots.remember(deck, state)
        except (GlitchError, OSError) as error:
            self._session.say(f"The snapshot '{name}' has no memory of deck {letter.upper()}: {error}")
        with self._lock:
            self._captured = [one for one in self._captured if one[0] is not deck]
        self._session.touch()

    def _teach(self, process: DeckProcess, memory: Memory) -> None:
        """Let a deck learn what it doesn't know yet, and go on from there: what was kept while it was starting."""
        with contextlib.suppress(GlitchError, OSError):  # one that has gone, or memory that has not been kept
            process.load_state(memory.number, memory.path)
            self._session.journal.add_state(memory.number, memory.path)
            process.send(RESTORE, memory.number)
