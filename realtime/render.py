"""Makes the sound of a take again, faster than it was played: the same events, frames and faders, the same samples.

Each deck is an `Engine` that is told, frame by frame, what the deck was told; the callback is the same compiled code,
and the log of the one that played says when decks were plugged in, when their rings opened and ran dry, and what was
faded. So what is heard again includes every dropout.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

from export.contract import GlitchError
from realtime import rings
from realtime.effects import Effect
from realtime.engine import Engine
from realtime.hearing import Hearing
from realtime.journal import CALLBACK, ENTRY, FORMAT, INPUT, PARTS
from realtime.library import Library, digest
from realtime.memory import DRY, HEAR, HISTORY, OPENED, PLUGGED, RESTORE, Geometry, Segment
from realtime.mixer import Mixer
from realtime.record import check_path
from realtime.state import EngineState

STRETCH = 4096  # frames mixed at once
SETTLED_S = 5.0  # nothing that ended so long before a take is heard in it
FORMATS = {".wav": "FLOAT", ".flac": "PCM_24"}


class TakeError(GlitchError):
    """The file is no take, or what it needs isn't there."""


@dataclass(frozen=True)
class Take:
    """A take that was read.

    Attributes
    ----------
    begin, end
        Samples of the clock between which it was taken.
    decks
        What each deck began with, by its number; see `realtime.journal`.
    entries : np.ndarray [dtype=ENTRY]
        What was done, in order.
    lost
        Events that found no room; with any, the samples will differ.
    """

    folder: Path
    sample_rate: float
    channels: int
    begin: int
    end: int
    decks: dict[int, dict[str, Any]]
    entries: np.ndarray
    lost: int

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return (self.end - self.begin) / self.sample_rate


@contextlib.contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[Take]:
    """Read a take, or the journal that a session left when it was killed.

    Raises
    ------
    TakeError
        It is neither.
    """
    path = Path(path)
    with contextlib.ExitStack() as stack:
        folder = path
        if not path.is_dir():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="glitch-take-")))
            _unzip(path, folder)
        try:
            yield _read(folder)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TakeError(f"{path} is no take that can be rendered ({error!r}); is it whole?") from None


def render(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    library: Library,
    progress: Callable[[float], None] = lambda _share: None,
) -> Take:
    """Render a take to an audio file, whole or not at all.

    Parameters
    ----------
    library
        Where models are looked for that are not where they were.
    progress
        Told from time to time what share is done.

    Raises
    ------
    GlitchError
        The take cannot be read, a model is missing, or the file cannot be written.
    """
    out = Path(out)
    check_path(out)
    scratch = out.with_name(f".{secrets.token_hex(4)}.{out.name}")
    with opened(path) as take:
        try:
            kind = FORMATS.get(out.suffix.lower(), "FLOAT")
            with sf.SoundFile(scratch, "w", int(take.sample_rate), take.channels, subtype=kind) as file:
                for audio in sound(take, library, progress):
                    file.write(audio)
            os.replace(scratch, out)
        except (OSError, sf.LibsndfileError) as error:
            raise TakeError(f"Cannot write {out}: {error}; free some space, or choose another place.") from None
        finally:
            scratch.unlink(missing_ok=True)
        return take


def sound(
    take: Take, library: Library, progress: Callable[[float], None] = lambda _share: None
) -> Iterator[np.ndarray]:
    """Give a take's sound, portion by portion [shape=(frames, channels)]."""
    stream = Segment.local(Geometry("stream", take.channels, HISTORY))
    mixer = Mixer(stream, take.sample_rate, take.channels)
    decks = {number: _Deck(take, number, library) for number in take.decks}
    entries = take.entries[take.entries["source"] == CALLBACK]
    _leave_out_what_is_not_heard(take, decks, entries)
    plugged: dict[int, _Deck] = {}
    following = 0
    at = 0
    while at < take.end:
        while following < len(entries) and entries[following]["sample"] <= at:
            _do(entries[following], mixer, plugged, decks)
            following += 1
        until = min(take.end, at + STRETCH)
        if following < len(entries):
            until = min(until, int(entries[following]["sample"]))
        for deck in set(plugged.values()):
            if deck.open:
                deck.push(until - at)
        out = np.zeros((until - at) * take.channels, np.float32)
        mixer.process(out, until - at)
        rings.clear(stream["log_index"])
        if until > take.begin:
            yield out.reshape(-1, take.channels)[max(take.begin - at, 0) :]
        at = until
        progress(at / take.end)


def _do(entry: np.void, mixer: Mixer, plugged: dict[int, _Deck], decks: dict[int, _Deck]) -> None:
    """Let the callback find what it found then."""
    kind, slot = int(entry["kind"]), int(entry["slot"])
    if kind == PLUGGED:
        if slot in plugged:
            mixer.unplug(slot)
        deck = plugged[slot] = decks[int(entry["number"])]
        deck.open = False
        mixer.plug_at(slot, deck.segment, float(entry["value"]), float(entry["over"]))
    elif kind == OPENED:
        plugged[slot].open = True
        if plugged[slot].given != int(entry["number"]):
            raise TakeError("The take has gaps in its log, so it cannot be rendered.")
    elif kind == DRY:
        plugged[slot].open = False
    else:
        mixer.command(kind, float(entry["value"]), slot=slot, over=float(entry["over"]))


def _leave_out_what_is_not_heard(take: Take, decks: dict[int, _Deck], entries: np.ndarray) -> None:
    """Keep decks from being decoded whose sound had ended long before the take began."""
    ends: dict[int, int] = {}
    in_slot: dict[int, int] = {}
    for entry in entries[entries["kind"] == PLUGGED]:
        slot = int(entry["slot"])
        if slot in in_slot:
            ends[in_slot[slot]] = int(entry["sample"])
        in_slot[slot] = int(entry["number"])
        ends[in_slot[slot]] = take.end
    for number, end in ends.items():
        decks[number].silent = end < take.begin - SETTLED_S * take.sample_rate


class _Deck:
    """A deck again: what it was told, and its ring."""

    def __init__(self, take: Take, number: int, library: Library) -> None:
        self._take, self._library = take, library
        self._said = take.decks[number]
        self._done = take.entries[take.entries["source"] == number]
        self._next = 0
        self._engine: Engine | None = None
        self._made = np.zeros((0, 0), np.float32)
        self._input: np.ndarray | None = None
        self._hearing = Hearing(self._heard, take.sample_rate)
        self.segment = Segment.local(Geometry("deck", self._channels(), int(self._said["capacity"])))
        self.segment["deck"][0]["number"] = number
        self.open = self.silent = False
        self.given = 0

    def push(self, frames: int) -> None:
        """Put so many frames into the ring."""
        self.given += frames
        channels = self.segment.geometry.channels
        audio = np.zeros((channels, frames), np.float32) if self.silent else self._audio(frames)
        rings.push_audio(self.segment["ring_index"], self.segment["ring"], audio.shape[0], audio)

    def _audio(self, frames: int) -> np.ndarray:
        engine = self._engine = self._engine or self._begin()
        parts, count = [self._made], self._made.shape[1]
        while count < frames:
            self._apply(engine)
            parts.append(engine.next(self._hearing.read(engine.wanted) if engine.inputs else None))
            count += parts[-1].shape[1]
        made = np.concatenate([part for part in parts if part.size], axis=1)
        self._made = made[:, frames:]
        return np.ascontiguousarray(made[:, :frames])

    def _begin(self) -> Engine:
        said = self._said
        effects = [Effect.from_json(effect) for effect in said["effects"]]
        engine = Engine(self._model(), said["sample_rate"], seed=said["seed"], inputs=said["inputs"], effects=effects)
        for number in said["states"]:
            engine.states[number] = self._state(number)
        for parameter, value in said["values"]:
            engine.apply(int(parameter), float(value))
        engine.settle(engine.states.get(said["state"]))
        return engine

    def _apply(self, engine: Engine) -> None:
        while self._next < len(self._done) and self._done[self._next]["number"] <= engine.frames:
            entry = self._done[self._next]
            kind, value = int(entry["kind"]), float(entry["value"])
            if kind == HEAR:
                self._hearing.jump(int(value))
            elif kind == RESTORE and int(value) not in engine.states:
                engine.states[int(value)] = self._state(int(value))
            engine.apply(kind, value)
            self._next += 1

    def _heard(self, samples: np.ndarray) -> np.ndarray:
        if self._input is None:
            self._input = sf.read(self._take.folder / INPUT, dtype="float32", always_2d=True)[0].T
        there = (samples >= 0) & (samples < self._input.shape[1])
        return np.where(there, self._input[:, np.where(there, samples, 0)], np.float32(0))

    def _state(self, number: int) -> EngineState:
        return EngineState.from_bytes((self._take.folder / "states" / f"{number}.state").read_bytes())

    def _channels(self) -> int:
        return int(self._said["channels"])

    def _model(self) -> Path:
        """Find the very model, wherever it is now."""
        path, wanted = Path(self._said["model"]), self._said["digest"]
        found = [path, *(self._library.find(name) for name in self._library.names())]
        for one in found:
            if one.is_file() and digest(one) == wanted:
                return one
        raise TakeError(
            f"The model {path.name} is neither at {path} nor in the library, or is another now "
            f"(SHA-256 {wanted[:12]}…); put it into the library."
        )


def _unzip(path: Path, folder: Path) -> None:
    """Take out what belongs to a take, and nothing else."""
    try:
        with zipfile.ZipFile(path) as file:
            for name in file.namelist():
                wanted = name in ("head.json", *PARTS) or (name.startswith("states/") and name.count("/") == 1)
                if wanted and ".." not in name:
                    file.extract(name, folder)
    except FileNotFoundError:
        raise TakeError(f"There is no take {path}; check the path.") from None
    except (OSError, zipfile.BadZipFile) as error:
        raise TakeError(f"{path} is no take ({error}); '/take' and --take make one.") from None


def _read(folder: Path) -> Take:
    head = json.loads((folder / "head.json").read_text())
    if head["format"] != FORMAT:
        raise TakeError(f"The take has format {head['format']}, and this version reads {FORMAT}; update glitch-live.")
    raw = (folder / "events.bin").read_bytes()
    entries = np.frombuffer(raw[: len(raw) // ENTRY.itemsize * ENTRY.itemsize], ENTRY)  # a killed one may end within
    decks = [json.loads(line) for line in (folder / "decks.jsonl").read_text().splitlines()]
    last = int(entries["sample"].max(initial=0))
    return Take(
        folder,
        float(head["sample_rate"]),
        int(head["channels"]),
        int(head.get("begin", head.get("began", 0))),
        int(head.get("end", last)),
        {deck["number"]: deck for deck in decks},
        entries,
        int(head.get("lost", 0)),
    )
