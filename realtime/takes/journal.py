"""The journal: all that decks and callback do, noted from the first sound on, so that it can be done again.

It is a folder, written beside the playing and removed when the session ends well. A part of it, zipped, is a take. A
session that was killed leaves it behind, and `glitch-lab render` makes its sound again, up to the last moment.

===================  ================================================================================================
`head.json`          rate, channels, seed, and the clock at the first sound
`decks.jsonl`        a line a deck: number, letter, model, digest, effects, its knobs, and what it began with
`events.bin`         `ENTRY` after `ENTRY`: what was done, by whom, before which frame or at which sample
`states/`            the states that decks were given
`journal.input.wav`  the live input, where there was one
`clock`              the sample up to which all that was done is noted
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
from realtime.ipc.layout import COMMAND
from realtime.ipc.registry import try_lock
from realtime.ipc.segments import Segment
from realtime.takes.recorder import Recorder

FORMAT = 2
CALLBACK = -1  # in the place of a deck's number
FULL = (errno.ENOSPC, errno.EDQUOT)
POLL_S = 0.05
FOLDER = "journal-"
INPUT = "journal.input.wav"
PARTS = ("decks.jsonl", "events.bin", INPUT)
INPUT_TIMEOUT_S = 5.0
COPIED = 1 << 20  # bytes of a part that go into a take at once
TOLD = "told"
EMPTY_S = 60.0  # a journal without a deck that is older was never begun

ENTRY = np.dtype(
    [
        ("source", "<i4"),  # a deck's number, or CALLBACK
        ("kind", "<i4"),  # one of the deck's knobs, or a command
        ("slot", "<i4"),
        ("number", "<i8"),  # a deck's frame; the callback's number of a deck, or frame of its ring
        ("sample", "<i8"),  # of the clock, at which it acted
        ("value", "<f8"),
        ("over", "<f8"),
    ]
)


class JournalError(GlitchError):
    """The journal cannot be written."""


class LoggedDeck(Protocol):
    """A deck whose events are logged; `realtime.decks.client.DeckProcess` is one."""

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
        self._decks: dict[int, LoggedDeck] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._head: dict[str, Any] = {}
        self._input: Recorder | None = None
        self._input_begin = 0
        self._lost = 0  # of decks that have ended
        try:
            (self.folder / "states").mkdir(parents=True)
            self._held = (self.folder / "lock").open("w")
            while not try_lock(self._held):  # tells others that it is somebody's; one of them may just be looking
                time.sleep(POLL_S)
            self._events = (self.folder / "events.bin").open("ab", buffering=0)
            self._clock = (self.folder / "clock").open("wb", buffering=0)
        except OSError as error:
            raise JournalError(f"Cannot write to {base}: {error.strerror}; it is where takes are kept.") from None
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self, segment: Segment, **head: Any) -> None:
        """Begin to follow a stream segment; `head` says what a renderer must know of it."""
        self._segment = segment
        self.add_to_head(format=FORMAT, **head)
        self._thread.start()

    def add_to_head(self, **more: Any) -> None:
        """Add to the head."""
        self._head |= more
        scratch = self.folder / ".head.json"
        with self._survive():
            scratch.write_text(json.dumps(self._head))
            os.replace(scratch, self.folder / "head.json")

    def start_input(self) -> None:
        """Keep the live input too, as far back as the stream remembers for certain."""
        assert self._segment is not None
        self._input = Recorder(self.folder / "journal.wav", self._segment, parts=("input",))
        self._input_begin = max(self._now() - self._segment.geometry.capacity // 2, 0)
        self.add_to_head(heard_from=self._input_begin)
        self._input.start(self._input_begin)

    def stop_input(self) -> None:
        """Keep the live input no more, and complete its file."""
        if self._input is not None:
            self._input.close()

    def scratch_path(self, name: str) -> Path:
        """Give a path for a state that goes from one deck to the next."""
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
        """Note a deck that is about to begin, and follow it; `knobs` are its addresses by their numbers."""
        self._decks[process.number] = process
        if self.error:
            return
        for number, path in states:
            self.add_state(number, path)
        with self._survive(), self._lock:
            said = {key: process.order[key] for key in ("model", "sample_rate", "seed", "inputs", "effects")}
            said |= {"number": process.number, "letter": letter, "digest": digest}
            said |= {"knobs": list(addresses), "values": list(values)}
            geometry = process.segment.geometry
            said |= {"channels": geometry.channels, "capacity": geometry.capacity, "state": state}
            with (self.folder / "decks.jsonl").open("a") as file:
                file.write(json.dumps(said) + "\n")

    def add_state(self, number: int, path: Path) -> None:
        """Keep a state that a deck may be asked to restore."""
        copy = self.folder / "states" / f"{number}.state"
        if not self.error and not copy.exists() and path.exists():
            with self._survive():
                shutil.copyfile(path, copy)

    def remove_deck(self, process: LoggedDeck) -> None:
        """Take the last of a deck that ends."""
        self.drain()
        with self._lock:
            if self._decks.pop(process.number, None) is not None:
                self._lost += int(process.state["lost_done"])

    def drain(self) -> None:
        """Write what was done since the last time."""
        with self._lock:
            clock = self._now()
            parts = [_of_deck(deck) for deck in list(self._decks.values())]
            if self._segment is not None and self._segment.arrays:
                parts.append(_of_callback(self._segment))
            entries = np.concatenate(parts) if parts else np.zeros(0, ENTRY)
            if len(entries) and not self.error:
                with self._survive():
                    _write(self._events, entries.tobytes())
            if clock and not self.error:
                with self._survive():
                    self._clock.seek(0)
                    self._clock.write(clock.to_bytes(8, "little"))
        if self._input is not None and self._input.error:
            self._fail(self._input.error)

    def give_up(self, why: str) -> None:
        """Note no more: what comes now cannot be rendered together with what was."""
        self._fail(f"There can be no take from now on, since {why}; start again for one.")

    def lost(self) -> int:
        """Count what found no room to be noted; a take with such gaps can't be rendered exactly."""
        lost = self._lost + sum(int(deck.state["lost_done"]) for deck in list(self._decks.values()))
        lost += self._input.lost if self._input is not None else 0
        return lost + (int(self._segment["stream"][0]["lost_log"]) if self._segment is not None else 0)

    def take(self, path: Path, begin: int, end: int) -> None:
        """Write the take from one sample of the clock to another.

        Raises
        ------
        JournalError
            The disk is full, or the journal had to be given up before.
        """
        self.drain()
        self._wait_for_input(end)
        if self.error:
            raise JournalError(self.error)
        head = self._head | {"begin": begin, "end": end, "lost": self.lost()}
        with self._lock:  # what is noted meanwhile comes after what is copied, which nobody touches any more
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
            remedy = "free some space" if error.errno in FULL else "choose another folder"
            raise JournalError(f"Cannot write the take {path}: {error.strerror or error}; {remedy}.") from None

    def close(self) -> None:
        """Stop, and remove the journal."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        for file in (self._events, self._clock, self._held):
            file.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self) -> None:
        while not self._stop.wait(POLL_S):
            self.drain()

    def _now(self) -> int:
        there = self._segment is not None and self._segment.arrays
        return int(self._segment["stream"][0]["clock"]) if self._segment is not None and there else 0

    def _wait_for_input(self, until: int) -> None:
        """Wait until the live input, which is written a little later, is kept up to a sample."""
        give_up = time.monotonic() + INPUT_TIMEOUT_S
        while self._input is not None and not self._input.done and self._input_begin + self._input.written < until:
            if time.monotonic() > give_up:
                raise JournalError("Cannot write the take: the disk is too slow for the live input; free some space.")
            time.sleep(POLL_S)

    @contextlib.contextmanager
    def _survive(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._fail(f"The journal stopped ({error.strerror or error}), so there can be no take from now on.")

    def _fail(self, why: str) -> None:
        if not self.error:
            self.error = why
            self._note(why)


def left_behind(base: Path) -> list[Path]:
    """List the journals of sessions that were killed; the latest last."""
    return [folder for folder in _dead(base) if (folder / "decks.jsonl").exists()]


def sweep(base: Path) -> str:
    """Remove the journals that dead sessions left, but for the last one, of which the player is told first.

    Give the sentence that tells of it, or nothing. At the next call it is removed too: who wants it has had its time.
    """
    dead, kept = _dead(base), left_behind(base)
    last = kept[-1] if kept and not (kept[-1] / TOLD).exists() else None
    for folder in dead:
        begun = (folder / "decks.jsonl").exists()
        if folder != last and (begun or time.time() - _touched(folder) > EMPTY_S):  # one of now is being made
            shutil.rmtree(folder, ignore_errors=True)
    if last is None:
        return ""
    with contextlib.suppress(OSError):
        (last / TOLD).touch()
    path = f'"{last}"' if " " in str(last) else last
    return f"A session was killed; 'glitch-lab render {path} OUT.wav' makes what it played. The next start removes it."


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep a journal that was left behind from being swept, for as long as it is read."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            try_lock(stack.enter_context((folder / "lock").open("r+")))
        yield


def _dead(base: Path) -> list[Path]:
    """List the journals that nobody holds, by age."""
    found = []
    for folder in base.glob(f"{FOLDER}*"):
        with contextlib.suppress(OSError), (folder / "lock").open("r+") as file:
            if try_lock(file):
                found.append((_touched(folder), folder))
    return [folder for _, folder in sorted(found)]


def _touched(folder: Path) -> float:
    """Say when something was noted last."""
    return (folder / "clock").stat().st_mtime if (folder / "clock").exists() else folder.stat().st_mtime


def _write(file: IO[bytes], data: bytes) -> None:
    """Write all of it, at once where the disk allows."""
    while data:
        data = data[file.write(data) :]


def _copy(source: Path, into: zipfile.ZipFile, name: str, size: int) -> None:
    """Copy the first `size` bytes of a file that may be growing; of sound all, so that no header promises more."""
    info = zipfile.ZipInfo(name, time.localtime()[:6])
    info.compress_type = zipfile.ZIP_STORED if name == INPUT else zipfile.ZIP_DEFLATED  # noise cannot be packed
    with source.open("rb") as data, into.open(info, "w", force_zip64=True) as part:
        while piece := data.read(COPIED if name == INPUT else min(size, COPIED)):
            part.write(piece)
            size -= len(piece)


def _of_deck(deck: LoggedDeck) -> np.ndarray:
    done = deck.applied_events()
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
