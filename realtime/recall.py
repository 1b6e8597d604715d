"""Snapshots on the stage: saved while they sound, recalled within a frame, gone over to in a time, morphed between.

What a deck remembers beside its knobs (the model's caches, the phase, where its walk is) is captured by the deck itself
between two frames. It keeps that in memory, so that a recall costs nothing, and writes it to a file, from which a deck
that comes later learns it.
"""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from export.contract import GlitchError
from realtime.memory import CAPTURE, GLIDE, RESTORE
from realtime.morph import Glide, Morph
from realtime.params import ParameterError
from realtime.snapshots import Snapshot, Snapshots, capture
from realtime.state import keep

if TYPE_CHECKING:
    from realtime.decks import DeckProcess
    from realtime.session import Session


@dataclass(frozen=True)
class Kept:
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
        Does what takes time.
    """

    def __init__(self, session: Session, folder: Path, errands: Executor) -> None:
        self._session, self._folder, self._errands = session, folder, errands
        self.snapshots = Snapshots()
        self._kept: dict[str, Kept] = {}  # by the name that snapshots know them by
        self._glide: Glide | None = None
        self._morph: tuple[object, Morph] | None = None
        self._lock = threading.RLock()

    def use(self, snapshots: Snapshots) -> None:
        """Take the snapshots of a session file, with as much of their memory as is still there."""
        with self._lock:
            self.snapshots, self._morph = snapshots, None
            for snapshot in snapshots:
                for letter, deck in snapshot.decks.items():
                    path = self._folder / f"{deck.state}.state"
                    if deck.state is None or deck.state in self._kept:
                        continue
                    if path.is_file():
                        number = next(self._session.rack.state_numbers)
                        self._kept[deck.state] = Kept(number, path, deck.sha256)
                    else:
                        self._session.say(
                            f"The memory of deck {letter.upper()} in the snapshot '{snapshot.name}' is not at {path}; "
                            "its values are recalled without it."
                        )

    def known(self, digest: str) -> list[tuple[int, Path]]:
        """List the memory that a deck with this model may be asked to bring back."""
        with self._lock:
            return [(one.number, one.path) for one in self._kept.values() if one.digest == digest]

    def save(self, name: str = "", number: int | None = None) -> Snapshot:
        """Save how everything is now. The knobs are kept at once, the decks' memory a moment later.

        Raises
        ------
        SnapshotError
            The name or number cannot be taken.
        """
        session = self._session
        with self._lock:
            name, number = self.snapshots.place(name, number)
            players = session.rack.players
            digests = {letter: player.digest for letter, player in players.items()}
            snapshot = capture(name, number, players, digests)
            self.snapshots.save(snapshot)
            self._morph = None
            captured = {}
            for letter, player in players.items():
                if player.process is not None and letter in snapshot.decks:
                    captured[letter] = (next(session.rack.state_numbers), player.process, player.digest)
                    player.process.send(CAPTURE, captured[letter][0])
        for letter, (state, process, digest) in captured.items():
            self._errands.submit(self._keep, snapshot, letter, state, process, digest)
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
            tables = {letter: player.table for letter, player in session.rack.players.items()}
            over_ms = session.get("/snapshot/time") if over_ms is None else max(over_ms, 0.0)
            rows = self.snapshots.rows(tables)
            now = capture("now", 0, session.rack.players, {})
            digests = {letter: player.digest for letter, player in session.rack.players.items()}
            states = snapshot.states(digests) if over_ms == 0.0 and session.get("/snapshot/caches") else {}
            standing = now.flat()
            changes = [(a, value) for a, value in self.snapshots.changes(snapshot, tables) if standing.get(a) != value]
            length = over_ms / 1000.0 * session.sample_rate
            self._glide = Glide(now, snapshot, rows, began=session.clock, length=length) if over_ms else None
            self._tell_decks(changes, states, over_ms)
            if self._glide is None:
                self._mirror(changes)
            missing = self.snapshots.missing(snapshot, tables)
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
            tables = {letter: player.table for letter, player in session.rack.players.items()}
            made_of = (corners, self.snapshots.rules, *map(id, tables.values()))
            if self._morph is None or self._morph[0] != made_of:
                standing = capture("now", 0, session.rack.players, {}).flat()
                self._morph = (made_of, Morph(corners, self.snapshots.rows(tables), standing))
            self._glide = None
            changes = self._morph[1].at(session.get("/morph/x"), session.get("/morph/y"))
            self._tell_decks(changes, {}, 0.0)
            self._mirror(changes)

    @property
    def moving(self) -> bool:
        """Whether something is on its way to a snapshot."""
        return self._glide is not None

    def release(self, address: str) -> None:
        """Leave a parameter that is on its way to whoever has taken hold of it."""
        glide = self._glide
        if glide is not None:
            glide.release(address)

    def advance(self) -> None:
        """Let the values that are shown, and the host's own, go on their way; the decks go by themselves."""
        if self._glide is None:
            return
        with self._lock:
            if self._glide is not None:
                self._mirror(self._glide.at(self._session.clock))
                if self._glide.done:
                    self._glide = None

    def _tell_decks(self, changes: list[tuple[str, float]], states: dict[str, str], over_ms: float) -> None:
        events: dict[str, list[tuple[int, float]]] = {}
        for letter, state in states.items():
            if state in self._kept:
                events.setdefault(letter, []).append((RESTORE, self._kept[state].number))
        ways: dict[str, list[tuple[int, float]]] = {}
        for address, value in changes:
            player, row = self._session.controls.meaning(address)
            if row.where == "deck":
                ways.setdefault(player.letter, []).append((row.index, value))
        for letter, way in ways.items():
            glide = [(GLIDE, over_ms), *way, (GLIDE, 0.0)] if over_ms else way
            events.setdefault(letter, []).extend(glide)
        for letter, sent in events.items():
            process = self._session.rack.players[letter].process
            if process is not None:
                process.send_all(sent)

    def _mirror(self, changes: list[tuple[str, float]]) -> None:
        for address, value in changes:
            player, row = self._session.controls.meaning(address)
            if row.where == "deck":
                player.values[row.index] = value
            else:
                self._session.controls.turn(player, row, value)

    def _keep(self, snapshot: Snapshot, letter: str, number: int, process: DeckProcess, digest: str) -> None:
        """Write a deck's memory to its file, and let the snapshot know it."""
        scratch = self._session.journal.scratch(f"{number}.captured")
        try:
            process.keep(number, scratch)
            state = keep(self._folder, scratch.read_bytes())
            scratch.unlink()
        except (GlitchError, OSError) as error:
            self._session.say(f"The snapshot '{snapshot.name}' has no memory of deck {letter.upper()}: {error}")
            return
        with self._lock, contextlib.suppress(GlitchError):
            self._kept[state] = Kept(number, self._folder / f"{state}.state", digest)
            now = self.snapshots.find(snapshot.name)
            if now.decks.get(letter) is not None and now.decks[letter].values == snapshot.decks[letter].values:
                deck = replace(now.decks[letter], state=state)
                self.snapshots.save(replace(now, decks={**now.decks, letter: deck}))
        self._session.touch()
