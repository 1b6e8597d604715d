"""The states of decks that belong to snapshots: the model's caches, the phase, the position of the walk.

A deck captures its whole state between two frames. It keeps it in memory under a number, so that a recall costs
nothing, and writes it to a file, from which a deck that is started later reads it.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from export.errors import GlitchError
from realtime.decks.deck_client import DeckClient
from realtime.engine.state import store_state
from realtime.ipc.memory_layout import RESTORE
from realtime.session.signals import Signal
from realtime.snapshots.snapshot import DeckSnapshot, Snapshot
from realtime.snapshots.store import Snapshots
from realtime.takes.journal import Journal

OWN_FILES = re.compile(r"[0-9a-f]{32}\..+")
SETTLE_S = 5.0


@dataclass(frozen=True)
class DeckState:
    """A state that a deck can restore.

    Attributes
    ----------
    number
        The number under which decks know it.
    path
        Its file.
    digest
        The digest of its model.
    """

    number: int
    path: Path
    digest: str


class DeckStates:
    """The states that the snapshots of a session refer to.

    Parameters
    ----------
    folder
        Where they are kept.
    snapshots
        The snapshots that refer to them.
    journal
        Records the states that decks restore, for takes.
    errands
        Runs what takes time, one thing after the other.
    notify
        Called with a sentence where a state is missing.
    touched
        Emitted when the session file has something new to keep.
    """

    def __init__(
        self,
        folder: Path,
        snapshots: Snapshots,
        journal: Journal,
        errands: Executor,
        *,
        notify: Callable[[str], None],
        touched: Signal,
    ) -> None:
        self._folder, self._snapshots, self._journal = folder, snapshots, journal
        self._errands, self._notify, self._touched = errands, notify, touched
        self._stored: dict[tuple[str, str], DeckState] = {}  # by letter and the name of the file
        self._pending: list[tuple[DeckSnapshot, int]] = []  # captured under a number, not yet in a file
        self._lock = threading.Lock()

    def find_files(self, numbers: Iterator[int]) -> None:
        """Assign numbers to the states of a session file's snapshots, as far as their files exist."""
        with self._lock:
            for snapshot in self._snapshots:
                for letter, deck in snapshot.decks.items():
                    if deck.state is None or (letter, deck.state) in self._stored:
                        continue
                    path = self._folder / f"{deck.state}.state"
                    if path.is_file():
                        self._stored[letter, deck.state] = DeckState(next(numbers), path, deck.sha256)
                    else:
                        self._notify(
                            f"The state of deck {letter.upper()} in the snapshot '{snapshot.name}' is not at {path}; "
                            "its values are recalled without it."
                        )

    def sweep(self) -> None:
        """Remove the files that no snapshot refers to any more."""
        used = {f"{state}.state" for state in self._snapshots.states()}
        with contextlib.suppress(OSError):
            for path in list(self._folder.iterdir()):
                if OWN_FILES.fullmatch(path.name) and path.name not in used:
                    path.unlink()

    def settle(self) -> None:
        """Wait until every captured state is on the disk, or 5 s at most if a deck hangs."""
        with contextlib.suppress(TimeoutError):
            self._errands.submit(lambda: None).result(SETTLE_S)

    def known(self, digest: str) -> list[tuple[int, Path]]:
        """List the states that a deck with this model may be asked to restore, as pairs of number and file."""
        with self._lock:
            used = self._snapshots.states()
            found = [one for (_, state), one in self._stored.items() if state in used and one.digest == digest]
            return [(one.number, one.path) for one in found]

    def capture(self, name: str, letter: str, deck: DeckSnapshot, process: DeckClient, number: int) -> None:
        """Let a deck capture its state under a number, and write it to its file a moment later.

        Parameters
        ----------
        name
            Of the snapshot, for notes.
        deck
            The part of the snapshot that gets the state.
        """
        process.capture(number)
        with self._lock:
            self._pending.append((deck, number))
        self._errands.submit(self._store, name, letter, deck, number, process)

    def restorable(self, snapshot: Snapshot, digests: Mapping[str, str]) -> dict[str, DeckState]:
        """Find the states of a snapshot that decks can restore now.

        Parameters
        ----------
        digests
            Of the models that play now, by letter.

        Returns
        -------
        dict[str, DeckState]
            By letter, for the decks that play the same model now. `path` is `Path()` while the state isn't
            on the disk yet.
        """
        found = {}
        with self._lock:
            pending = {id(deck): number for deck, number in self._pending}
            for letter, deck in snapshot.decks.items():
                if deck.sha256 != digests[letter]:
                    continue
                if id(deck) in pending:
                    found[letter] = DeckState(pending[id(deck)], Path(), deck.sha256)
                elif (letter, deck.state) in self._stored:
                    found[letter] = self._stored[letter, deck.state or ""]
        return found

    def teach(self, process: DeckClient, state: DeckState) -> None:
        """Let a deck read a state that was stored after it had started, and then restore it."""
        self._errands.submit(self._teach, process, state)

    def _store(self, name: str, letter: str, deck: DeckSnapshot, number: int, process: DeckClient) -> None:
        """Write a captured state to its file, and add the file's name to the snapshot."""
        scratch = self._journal.scratch_path(f"{number}.captured")
        try:
            process.save_state(number, scratch)
            state = store_state(self._folder, scratch.read_bytes())
            scratch.unlink()
            with self._lock:
                self._stored[letter, state] = DeckState(number, self._folder / f"{state}.state", deck.sha256)
                self._snapshots.set_state(deck, state)
        except (GlitchError, OSError) as error:
            self._notify(f"The snapshot '{name}' has no state of deck {letter.upper()}: {error}")
        with self._lock:
            self._pending = [one for one in self._pending if one[0] is not deck]
        self._touched.emit()

    def _teach(self, process: DeckClient, state: DeckState) -> None:
        with contextlib.suppress(GlitchError, OSError):  # the deck has ended, or the state was never stored
            process.load_state(state.number, state.path)
            self._journal.add_state(state.number, state.path)
            process.send(RESTORE, state.number)
