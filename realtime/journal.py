"""The journal: all that decks and callback do, noted from the first sound on, so that it can be done again.

It is a folder, written beside the playing and removed when the session ends well. A part of it, zipped, is a take. A
session that was killed leaves it behind, and `glitch-lab render` makes its sound again, up to the last moment.

===================  ================================================================================================
`head.json`          rate, channels, seed, and the clock at the first sound
`decks.jsonl`        a line a deck: number, letter, model, digest, effects, and what it began with
`events.bin`         `ENTRY` after `ENTRY`: what was done, by whom, before which frame or at which sample
`states/`            the states that decks were given
`journal.input.wav`  the live input, where there was one
===================  ================================================================================================
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import threading
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from export.contract import GlitchError
from realtime import rings
from realtime.memory import COMMAND, Segment, lock_file

if TYPE_CHECKING:
    from realtime.decks import DeckProcess

FORMAT = 1
CALLBACK = -1  # in the place of a deck's number
POLL_S = 0.05
FOLDER = "journal-"
INPUT = "journal.input.wav"
PARTS = ("decks.jsonl", "events.bin", INPUT)

ENTRY = np.dtype(
    [
        ("source", "<i4"),  # a deck's number, or CALLBACK
        ("kind", "<i4"),  # a deck's parameter, or a command
        ("slot", "<i4"),
        ("number", "<i8"),  # a deck's frame; the callback's number of a deck, or frame of its ring
        ("sample", "<i8"),  # of the clock, at which it acted
        ("value", "<f8"),
        ("over", "<f8"),
    ]
)


class JournalError(GlitchError):
    """The journal cannot be written."""


class Journal:
    """Notes what happens, in a thread of its own.

    Parameters
    ----------
    base
        Where journals lie.
    note
        Takes a sentence where it can't go on; the sound does.
    """

    def __init__(self, base: Path, note: Callable[[str], None]) -> None:
        self._note = note
        self.folder = base / f"{FOLDER}{os.getpid()}-{secrets.token_hex(4)}"
        self.error = ""
        self._segment: Segment | None = None
        self._decks: dict[int, DeckProcess] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._head: dict[str, Any] = {}
        try:
            (self.folder / "states").mkdir(parents=True)
            self._held = (self.folder / "lock").open("w")
            lock_file(self._held)  # says to others that this session lives
            self._events = (self.folder / "events.bin").open("ab")
        except OSError as error:
            raise JournalError(f"Cannot write to {base}: {error.strerror}; it is where takes are kept.") from None
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self, segment: Segment, **head: Any) -> None:
        """Begin to follow a stream segment; `head` says what a renderer must know of it."""
        self._segment = segment
        self.tell(format=FORMAT, **head)
        self._thread.start()

    def tell(self, **more: Any) -> None:
        """Add to the head."""
        self._head |= more
        with self._survive():
            (self.folder / "head.json").write_text(json.dumps(self._head))

    def scratch(self, name: str) -> Path:
        """Give a path for a state that goes from one deck to the next."""
        return self.folder / name

    def deck(
        self,
        process: DeckProcess,
        letter: str,
        digest: str,
        values: Sequence[tuple[int, float]],
        states: Sequence[tuple[int, Path]],
        state: int | None,
    ) -> None:
        """Note a deck that is about to begin, and follow it."""
        self._decks[process.number] = process
        kept = []
        with self._survive(), self._lock:
            for number, path in states:
                if path.exists():
                    copy = self.folder / "states" / f"{number}.state"
                    if not copy.exists():
                        shutil.copyfile(path, copy)
                    kept.append(number)
            said = {key: process.order[key] for key in ("model", "sample_rate", "seed", "inputs", "effects")}
            said |= {"number": process.number, "letter": letter, "digest": digest, "values": list(values)}
            geometry = process.segment.geometry
            said |= {"channels": geometry.channels, "capacity": geometry.capacity, "states": kept, "state": state}
            with (self.folder / "decks.jsonl").open("a") as file:
                file.write(json.dumps(said) + "\n")

    def know(self, process: DeckProcess, number: int, path: Path) -> None:
        """Note a state that a deck was given later."""
        del process
        with self._survive():
            shutil.copyfile(path, self.folder / "states" / f"{number}.state")

    def forget(self, process: DeckProcess) -> None:
        """Take the last of a deck that ends."""
        self.drain()
        self._decks.pop(process.number, None)

    def drain(self) -> None:
        """Write what was done since the last time."""
        with self._lock:
            parts = [_of_deck(deck) for deck in list(self._decks.values())]
            if self._segment is not None and self._segment.arrays:
                parts.append(_of_callback(self._segment))
            entries = np.concatenate(parts) if parts else np.zeros(0, ENTRY)
            if len(entries) and not self.error:
                with self._survive():
                    self._events.write(entries.tobytes())
                    self._events.flush()

    def give_up(self, why: str) -> None:
        """Note no more: what comes now cannot be rendered together with what was."""
        if not self.error:
            self.error = f"There can be no take from now on, since {why}; start again for one."
            self._note(self.error)

    def lost(self) -> int:
        """Count what found no room to be noted; a take with such gaps can't be rendered exactly."""
        lost = sum(int(deck.state["lost_done"]) for deck in self._decks.values())
        return lost + (int(self._segment["stream"][0]["lost_log"]) if self._segment is not None else 0)

    def take(self, path: Path, begin: int, end: int) -> None:
        """Write the take from one sample of the clock to another.

        Raises
        ------
        JournalError
            The disk is full, or the journal had to be given up before.
        """
        self.drain()
        if self.error:
            raise JournalError(self.error)
        scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with self._lock, zipfile.ZipFile(scratch, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as file:
                head = self._head | {"begin": begin, "end": end, "lost": self.lost()}
                file.writestr("head.json", json.dumps(head))
                for found in (*self.folder.glob("*"), *self.folder.glob("states/*")):
                    name = found.relative_to(self.folder).as_posix()
                    if name in PARTS or name.startswith("states/"):
                        file.write(found, name)
            os.replace(scratch, path)
        except OSError as error:
            scratch.unlink(missing_ok=True)
            raise JournalError(f"Cannot write the take {path}: {error.strerror or error}; free some space.") from None

    def close(self) -> None:
        """Stop, and remove the journal."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._events.close()
        self._held.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self) -> None:
        while not self._stop.wait(POLL_S):
            self.drain()

    @contextlib.contextmanager
    def _survive(self) -> Any:
        try:
            yield
        except OSError as error:
            if not self.error:
                self.error = f"The journal stopped ({error.strerror or error}), so there can be no take from now on."
                self._note(self.error)


def left_behind(base: Path) -> list[Path]:
    """List the journals of sessions that were killed; the latest last."""
    found = []
    for folder in base.glob(f"{FOLDER}*"):
        with contextlib.suppress(OSError), (folder / "lock").open("r+") as file:
            if lock_file(file) and (folder / "decks.jsonl").exists():
                found.append((folder.stat().st_mtime, folder))
    return [folder for _, folder in sorted(found)]


def _of_deck(deck: DeckProcess) -> np.ndarray:
    done = deck.done()
    entries = np.zeros(len(done), ENTRY)
    entries["source"], entries["kind"], entries["number"] = deck.number, done["parameter"], done["frame"]
    entries["sample"], entries["value"] = done["sample"], done["value"]
    return entries


def _of_callback(segment: Segment) -> np.ndarray:
    index, log = segment["log_index"], segment["log"]
    into = np.zeros(rings.fill(index), COMMAND)
    into = into[: rings.pop_events(index, log, into)]
    entries = np.zeros(len(into), ENTRY)
    entries["source"] = CALLBACK
    for name in ("kind", "slot", "number", "sample", "value", "over"):
        entries[name] = into[name]
    return entries
