"""The journal: a continuous log of everything that decks and callback do, from which the sound can be rendered again.

It is a folder, written while the session plays and removed when it ends. A part of it, zipped, is a take. A session
that was killed leaves its journal behind, and `glitch-lab render` renders its sound up to the last moment.

===================  ================================================================================================
`head.json`          sample rate, channels, and the clock at the first sound
`decks.jsonl`        a line for each deck: number, letter, model, digest, effects, addresses, initial values, state
`events.bin`         `ENTRY` after `ENTRY`: every event, its source, and its frame or sample position
`states/`            the states that decks could restore
`journal.input.wav`  the live input, if there is one
`clock`              sample position up to which the log is complete
===================  ================================================================================================
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from export.errors import GlitchError
from realtime.ipc import rings
from realtime.ipc.memory_layout import COMMAND
from realtime.ipc.segment_registry import try_lock
from realtime.ipc.segments import Segment
from realtime.takes.recorder import Recorder

FORMAT = 2
CALLBACK = -1  # as `source`, instead of a deck's number
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
POLL_S = 0.05
FOLDER = "journal-"
INPUT = "journal.input.wav"
PARTS = ("decks.jsonl", "events.bin", INPUT)
INPUT_TIMEOUT_S = 5.0
COPY_BYTES = 1 << 20  # copied into a take at once

ENTRY = np.dtype(
    [
        ("source", "<i4"),  # a deck's number, or CALLBACK
        ("kind", "<i4"),  # the deck's parameter, or the kind of command
        ("slot", "<i4"),
        ("number", "<i8"),  # the deck's frame; for the callback the deck plugged, or the frame of its ring
        ("sample", "<i8"),  # sample position at which it acted
        ("value", "<f8"),
        ("over", "<f8"),
    ]
)


class JournalError(GlitchError):
    """The journal cannot be written."""


class LoggedDeck(Protocol):
    """A deck whose events are logged; `realtime.decks.deck_client.DeckClient` is one."""

    @property
    def number(self) -> int:
        """Number of the deck, unique in the session."""

    @property
    def segment(self) -> Segment:
        """The deck's segment."""

    @property
    def state(self) -> np.void:
        """The deck's entry in its segment."""

    @property
    def order(self) -> Mapping[str, Any]:
        """The request that the deck was loaded with: model, sample_rate, seed, inputs, effects."""

    def applied_events(self) -> np.ndarray:
        """Take the events that the deck has applied since the last call [shape=(events,), dtype=DONE]."""


class Journal:
    """Writes the journal of a session, in a thread of its own.

    Parameters
    ----------
    base
        Folder of all journals.
    notify
        Called with a sentence when the journal has to stop; the sound goes on.

    Attributes
    ----------
    folder : Path
        Of this journal.
    error : str
        The reason why the journal has stopped; empty while it is written.

    Raises
    ------
    JournalError
        The folder cannot be written to.
    """

    def __init__(self, base: Path, notify: Callable[[str], None]) -> None:
        self._notify = notify
        self.folder = base / f"{FOLDER}{os.getpid()}-{secrets.token_hex(4)}"
        self.error = ""
        self._segment: Segment | None = None
        self._decks: dict[int, LoggedDeck] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._head: dict[str, Any] = {}
        self._input: Recorder | None = None
        self._input_start = 0
        self._lost = 0  # events of decks that have ended
        try:
            (self.folder / "states").mkdir(parents=True)
            self._lock_file = (self.folder / "lock").open("w")
            while not try_lock(
                self._lock_file
            ):  # marks the journal as in use; another process may be checking it just now
                time.sleep(POLL_S)
            self._events = (self.folder / "events.bin").open("ab", buffering=0)
            self._clock = (self.folder / "clock").open("wb", buffering=0)
        except OSError as error:
            raise JournalError(f"Cannot write to {base}: {error.strerror}; it is where takes are kept.") from None
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self, segment: Segment, **head: Any) -> None:
        """Begin to log a stream segment; `head` is written for the renderer."""
        self._segment = segment
        self.add_to_head(format=FORMAT, **head)
        self._thread.start()

    def add_to_head(self, **entries: Any) -> None:
        """Add entries to the head."""
        self._head |= entries
        scratch = self.folder / ".head.json"
        with self._stop_on_error():
            scratch.write_text(json.dumps(self._head))
            os.replace(scratch, self.folder / "head.json")

    def start_input(self) -> None:
        """Begin to record the live input, from as far back as its history certainly reaches."""
        assert self._segment is not None
        self._input = Recorder(self.folder / "journal.wav", self._segment, parts=("input",))
        self._input_start = max(self._now() - self._segment.geometry.capacity // 2, 0)
        self.add_to_head(heard_from=self._input_start)
        self._input.start(self._input_start)

    def stop_input(self) -> None:
        """End the recording of the live input, and complete its file."""
        if self._input is not None:
            self._input.close()

    def scratch_path(self, name: str) -> Path:
        """Return a path for a state that is passed from one deck to the next."""
        return self.folder / name

    def add_deck(
        self,
        process: LoggedDeck,
        letter: str,
        digest: str,
        addresses: Iterable[str],
        values: Sequence[tuple[int, float]],
        states: Sequence[tuple[int, Path]],
        state: int | None,
    ) -> None:
        """Log a deck that is about to play, and follow its events.

        Parameters
        ----------
        process
            The deck.
        letter
            Where it plays.
        digest
            SHA-256 of its model file.
        addresses
            The addresses of its parameters, in order of their indices.
        values
            Its initial values, as pairs of parameter index and value.
        states
            The states that it may be asked to restore, as pairs of number and file.
        state
            The number of the state that it continues from; None for rest.
        """
        self._decks[process.number] = process
        if self.error:
            return
        for number, path in states:
            self.add_state(number, path)
        with self._stop_on_error(), self._lock:
            description = {key: process.order[key] for key in ("model", "sample_rate", "seed", "inputs", "effects")}
            description |= {"number": process.number, "letter": letter, "digest": digest}
            description |= {"knobs": list(addresses), "values": list(values)}
            geometry = process.segment.geometry
            description |= {"channels": geometry.channels, "capacity": geometry.capacity, "state": state}
            with (self.folder / "decks.jsonl").open("a") as file:
                file.write(json.dumps(description) + "\n")

    def add_state(self, number: int, path: Path) -> None:
        """Copy a state that a deck may be asked to restore."""
        copy = self.folder / "states" / f"{number}.state"
        if not self.error and not copy.exists() and path.exists():
            with self._stop_on_error():
                shutil.copyfile(path, copy)

    def remove_deck(self, process: LoggedDeck) -> None:
        """Log the last events of a deck that is about to end."""
        self.drain()
        with self._lock:
            if self._decks.pop(process.number, None) is not None:
                self._lost += int(process.state["lost_done"])

    def drain(self) -> None:
        """Write all events since the last call."""
        with self._lock:
            clock = self._now()
            parts = [_deck_entries(deck) for deck in list(self._decks.values())]
            if self._segment is not None and self._segment.arrays:
                parts.append(_callback_entries(self._segment))
            entries = np.concatenate(parts) if parts else np.zeros(0, ENTRY)
            if len(entries) and not self.error:
                with self._stop_on_error():
                    _write(self._events, entries.tobytes())
            if clock and not self.error:
                with self._stop_on_error():
                    self._clock.seek(0)
                    self._clock.write(clock.to_bytes(8, "little"))
        if self._input is not None and self._input.error:
            self._fail(self._input.error)

    def stop_because(self, why: str) -> None:
        """Stop the journal, because the sound from here on cannot be rendered together with the earlier one."""
        self._fail(f"No take can be made from now on, since {why}; restart for one.")

    def lost(self) -> int:
        """Count the events that found a log full; a take with such gaps cannot be rendered exactly."""
        lost = self._lost + sum(int(deck.state["lost_done"]) for deck in list(self._decks.values()))
        lost += self._input.lost if self._input is not None else 0
        return lost + (int(self._segment["stream"][0]["lost_log"]) if self._segment is not None else 0)

    def take(self, path: Path, begin: int, end: int) -> None:
        """Write a take.

        Parameters
        ----------
        path
            The file to write.
        begin, end
            Sample positions on the clock.

        Raises
        ------
        JournalError
            The disk is full, or the journal has stopped.
        """
        self.drain()
        self._wait_for_input(end)
        if self.error:
            raise JournalError(self.error)
        head = self._head | {"begin": begin, "end": end, "lost": self.lost()}
        with self._lock:  # only sizes: entries are only appended, so what is copied doesn't change
            parts = [(self.folder / name, name) for name in PARTS]
            parts += [(state, f"states/{state.name}") for state in sorted(self.folder.glob("states/*.state"))]
            sizes = [(found, name, found.stat().st_size) for found, name in parts if found.exists()]
        scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with zipfile.ZipFile(scratch, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as file:
                file.writestr("head.json", json.dumps(head))
                for found, name, size in sizes:
                    _copy(found, file, name, size)
            os.replace(scratch, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                scratch.unlink(missing_ok=True)
            remedy = "free some space" if error.errno in DISK_FULL else "choose another folder"
            raise JournalError(f"Cannot write the take {path}: {error.strerror or error}; {remedy}.") from None

    def close(self) -> None:
        """Stop, and remove the folder."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        for file in (self._events, self._clock, self._lock_file):
            file.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self) -> None:
        while not self._stop.wait(POLL_S):
            self.drain()

    def _now(self) -> int:
        there = self._segment is not None and self._segment.arrays
        return int(self._segment["stream"][0]["clock"]) if self._segment is not None and there else 0

    def _wait_for_input(self, until: int) -> None:
        """Wait until the live input, which is written a little later, is recorded up to a sample position."""
        deadline = time.monotonic() + INPUT_TIMEOUT_S
        while self._input is not None and not self._input.done and self._input_start + self._input.written < until:
            if time.monotonic() > deadline:
                raise JournalError("Cannot write the take: the disk is too slow for the live input; free some space.")
            time.sleep(POLL_S)

    @contextlib.contextmanager
    def _stop_on_error(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._fail(f"The journal stopped ({error.strerror or error}), so no take can be made from now on.")

    def _fail(self, why: str) -> None:
        if not self.error:
            self.error = why
            self._notify(why)


def _write(file: IO[bytes], data: bytes) -> None:
    """Write all bytes, in one call if the disk allows."""
    while data:
        data = data[file.write(data) :]


def _copy(source: Path, into: zipfile.ZipFile, name: str, size: int) -> None:
    """Copy the first `size` bytes of a file that may be growing; a sound file whole, to agree with its header."""
    info = zipfile.ZipInfo(name, time.localtime()[:6])
    info.compress_type = zipfile.ZIP_STORED if name == INPUT else zipfile.ZIP_DEFLATED  # sound hardly compresses
    with source.open("rb") as data, into.open(info, "w", force_zip64=True) as part:
        while piece := data.read(COPY_BYTES if name == INPUT else min(size, COPY_BYTES)):
            part.write(piece)
            size -= len(piece)


def _deck_entries(deck: LoggedDeck) -> np.ndarray:
    done = deck.applied_events()
    entries = np.zeros(len(done), ENTRY)
    entries["source"], entries["kind"], entries["number"] = deck.number, done["parameter"], done["frame"]
    entries["sample"], entries["value"] = done["sample"], done["value"]
    return entries


def _callback_entries(segment: Segment) -> np.ndarray:
    index, log = segment["log_index"], segment["log"]
    into = np.zeros(rings.fill(index), COMMAND)
    into = into[: rings.pop_events(index, log, into)]
    entries = np.zeros(len(into), ENTRY)
    entries["source"] = CALLBACK
    for name in ("kind", "slot", "number", "sample", "value", "over"):
        entries[name] = into[name]
    return entries
