"""Makes the sound of a take again, faster than it was played: the same events, frames and faders, the same samples.

Each deck is an `Engine` that is told, frame by frame, what the deck was told; the callback is the same compiled code,
and the log of the one that played says when decks were plugged in, when their rings opened and ran dry, and what was
faded. So what is heard again includes every dropout.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
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
from realtime.journal import CALLBACK, ENTRY, FORMAT, INPUT, PARTS, held
from realtime.library import Library, digest
from realtime.memory import (
    DRY,
    GAIN,
    GONE,
    HEAR,
    HISTORY,
    MAX_CHANNELS,
    OPENED,
    PLUGGED,
    RESTORE,
    SLOTS,
    Geometry,
    Segment,
)
from realtime.mixer import Mixer
from realtime.record import check_path
from realtime.state import EngineState

STRETCH = 4096  # frames mixed, and decoded, at once
SETTLED_S = 5.0  # nothing that ended so long before a take is heard in it
FORMATS = {".wav": "FLOAT", ".flac": "PCM_24"}
LONGEST_S = 7 * 24 * 3600.0  # a take that says to be longer is none
LARGEST_RING = 1 << 24
BELONGS = re.compile(r"states/\d{1,18}\.state")  # beside head.json and the PARTS
# What reading and playing raise where numbers or shapes are none that a session writes.
ILL_FORMED = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError, RuntimeError)


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
    heard_from
        The sample at which the file of the live input begins.
    """

    folder: Path
    sample_rate: float
    channels: int
    begin: int
    end: int
    decks: dict[int, dict[str, Any]]
    entries: np.ndarray
    lost: int
    heard_from: int

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
        if path.is_dir():
            folder = path
            stack.enter_context(held(folder))
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="glitch-take-")))
            _unzip(path, folder)
        try:
            take = _read(folder)
        except (OSError, *ILL_FORMED) as error:
            raise TakeError(f"{path} is no take that can be rendered ({_brief(error)}); is it whole?") from None
        yield take


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
    entries = take.entries[take.entries["source"] == CALLBACK]
    plugged: dict[int, _Deck] = {}
    following = 0
    at = 0
    with ThreadPoolExecutor(max(os.cpu_count() or 1, 1), thread_name_prefix="render") as pool:
        decks = {number: _Deck(take, number, library, pool) for number in take.decks}
        _leave_out_what_is_not_heard(take, decks, entries)
        while at < take.end:
            while following < len(entries) and entries[following]["sample"] <= at:
                _do(entries[following], mixer, plugged, decks)
                following += 1
            until = min(take.end, at + STRETCH)
            if following < len(entries):
                until = min(until, int(entries[following]["sample"]))
            for deck in plugged.values():
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
    if kind in (PLUGGED, GONE):
        if slot in plugged:
            mixer.unplug(slot)
            del plugged[slot]
        if kind == PLUGGED:
            deck = plugged[slot] = decks[int(entry["number"])]
            deck.open = False
            mixer.plug_at(slot, deck.segment, float(entry["value"]), float(entry["over"]))
    elif kind in (OPENED, DRY):
        if slot not in plugged:
            raise TakeError("The take has gaps in its log, so it cannot be rendered.")
        plugged[slot].open = kind == OPENED
        plugged[slot].skip_to(int(entry["number"]))
    else:
        mixer.command(kind, float(entry["value"]), slot=slot, over=float(entry["over"]))


def _leave_out_what_is_not_heard(take: Take, decks: dict[int, _Deck], entries: np.ndarray) -> None:
    """Keep decks from being decoded whose sound had ended long before the take began."""
    ends: dict[int, int] = {}
    in_slot: dict[int, int] = {}
    for entry in entries[np.isin(entries["kind"], (PLUGGED, GONE))]:
        slot = int(entry["slot"])
        if slot in in_slot:
            ends[in_slot.pop(slot)] = int(entry["sample"])
        if entry["kind"] == PLUGGED:
            in_slot[slot] = int(entry["number"])
            ends[in_slot[slot]] = take.end
    for number, end in ends.items():
        decks[number].silent = end < take.begin - SETTLED_S * take.sample_rate


class _Deck:
    """A deck again: what it was told, and its ring. It decodes a little ahead, beside the others."""

    def __init__(self, take: Take, number: int, library: Library, pool: ThreadPoolExecutor) -> None:
        self._take, self._library, self._pool = take, library, pool
        self._said = take.decks[number]
        self._done = take.entries[take.entries["source"] == number]
        self._next = 0
        self._engine: Engine | None = None
        self._made = np.zeros((int(self._said["channels"]), 0), np.float32)
        self._coming: Future[np.ndarray] | None = None
        self._input: sf.SoundFile | None = None
        self._hearing = Hearing(self._heard, take.sample_rate)
        self.segment = Segment.local(Geometry("deck", int(self._said["channels"]), int(self._said["capacity"])))
        self.segment["deck"][0]["number"] = number
        self.open = self.silent = False
        self.given = 0

    def push(self, frames: int) -> None:
        """Put so many frames into the ring."""
        self.given += frames
        channels = self.segment.geometry.channels
        audio = np.zeros((channels, frames), np.float32) if self.silent else self._audio(frames)
        rings.push_audio(self.segment["ring_index"], self.segment["ring"], channels, audio)

    def skip_to(self, frame: int) -> None:
        """Let go what a device played that died before it could tell."""
        if not self.given <= frame <= self.given + self.segment.geometry.capacity:
            raise TakeError("The take has gaps in its log, so it cannot be rendered.")
        while self.given < frame:
            self.push(min(frame - self.given, STRETCH))
            rings.clear(self.segment["ring_index"])

    def _audio(self, frames: int) -> np.ndarray:
        while self._made.shape[1] < frames:
            coming = self._coming or self._pool.submit(self._decode)
            self._made = np.concatenate([self._made, coming.result()], axis=1)
            self._coming = self._pool.submit(self._decode)
        made, self._made = self._made[:, :frames], self._made[:, frames:]
        return np.ascontiguousarray(made)

    def _decode(self) -> np.ndarray:
        try:
            engine = self._engine = self._engine or self._begin()
            parts, count = [], 0
            while count < STRETCH:
                self._apply(engine)
                parts.append(engine.next(self._hearing.read(engine.wanted) if engine.inputs else None))
                count += parts[-1].shape[1]
            return np.concatenate(parts, axis=1)
        except ILL_FORMED as error:
            raise TakeError(f"The take doesn't fit its model ({_brief(error)}), so it cannot be rendered.") from None

    def _begin(self) -> Engine:
        said = self._said
        effects = [Effect.from_json(effect) for effect in said["effects"]]
        model = self._model()
        engine = Engine(model, said["sample_rate"], seed=said["seed"], inputs=said["inputs"], effects=effects)
        if said["state"] is not None:
            self._learn(engine, int(said["state"]))
        for parameter, value in said["values"]:
            engine.apply(int(parameter), float(value))
        engine.settle(engine.states.get(said["state"]))
        return engine

    def _apply(self, engine: Engine) -> None:
        while self._next < len(self._done) and self._done[self._next]["number"] <= engine.frames:
            entry = self._done[self._next]
            if entry["kind"] == HEAR:
                self._hearing.jump(int(entry["value"]))
            elif entry["kind"] == RESTORE:  # only noted by a deck that knew the state
                self._learn(engine, int(entry["value"]))
            engine.apply(int(entry["kind"]), float(entry["value"]))
            self._next += 1

    def _learn(self, engine: Engine, number: int) -> None:
        """Give the engine a state that it hasn't captured itself."""
        if number not in engine.states:
            data = (self._take.folder / "states" / f"{number}.state").read_bytes()
            engine.states[number] = EngineState.from_bytes(data)

    def _heard(self, samples: np.ndarray) -> np.ndarray:
        """Read the live input; what lies before or beyond the file is silence."""
        heard = np.zeros((int(self._said["inputs"]), samples.size), np.float32)
        if not samples.size or samples[-1] < 0:
            return heard
        if self._input is None:
            self._input = sf.SoundFile(self._take.folder / INPUT)
        begin = int(samples[0]) - self._take.heard_from
        first, last = max(begin, 0), min(begin + samples.size, self._input.frames)
        if first < last:
            self._input.seek(first)
            heard[:, first - begin : last - begin] = self._input.read(last - first, "float32", always_2d=True).T
        return heard

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
    """Take out what belongs to a take, and nothing else, to places that nothing in it can choose."""
    try:
        with zipfile.ZipFile(path) as file:
            (folder / "states").mkdir()
            for info in file.infolist():
                if info.filename in ("head.json", *PARTS) or BELONGS.fullmatch(info.filename):
                    with file.open(info) as part, (folder / info.filename).open("wb") as into:
                        shutil.copyfileobj(part, into)
    except FileNotFoundError:
        raise TakeError(f"There is no take {path}; check the path.") from None
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, *ILL_FORMED) as error:
        raise TakeError(f"{path} is no take ({_brief(error)}); '/take' and --take make one.") from None


def _read(folder: Path) -> Take:
    head = json.loads((folder / "head.json").read_text())
    if head["format"] != FORMAT:
        raise TakeError(f"The take has format {head['format']}, and this version reads {FORMAT}; update glitch-live.")
    raw = (folder / "events.bin").read_bytes()
    entries = np.frombuffer(raw[: len(raw) // ENTRY.itemsize * ENTRY.itemsize], ENTRY)  # a killed one may end within
    lines = (folder / "decks.jsonl").read_text().splitlines(keepends=True)
    decks = [json.loads(line) for line in lines if line.endswith("\n")]
    take = Take(
        folder,
        float(head["sample_rate"]),
        int(head["channels"]),
        int(head.get("begin", head.get("began", 0))),
        int(head["end"] if "end" in head else _heard_until(folder, entries)),
        {int(deck["number"]): deck for deck in decks},
        entries,
        int(head.get("lost", 0)),
        int(head.get("heard_from", 0)),
    )
    _check(take)
    return take


def _heard_until(folder: Path, entries: np.ndarray) -> int:
    """Say how far a session came that was killed."""
    clock = int.from_bytes((folder / "clock").read_bytes()[:8], "little")
    return max(clock, int(entries["sample"].max(initial=0)))


def _check(take: Take) -> None:
    """Refuse what would not end, or lead beyond what there is."""
    if not 1000 <= take.sample_rate <= 1e6 or not 1 <= take.channels <= MAX_CHANNELS:
        raise ValueError(f"{take.channels} channels at {take.sample_rate:g} Hz")
    if not 0 <= take.begin <= take.end <= LONGEST_S * take.sample_rate:
        raise ValueError(f"it goes from sample {take.begin} to {take.end}")
    for said in take.decks.values():
        channels, capacity = int(said["channels"]), int(said["capacity"])
        if not (1 <= channels <= MAX_CHANNELS and STRETCH <= capacity <= LARGEST_RING) or said["seed"] < 0:
            raise ValueError(f"a deck of {channels} channels with a ring of {capacity}")
        if said["sample_rate"] != take.sample_rate or not 0 <= said["inputs"] <= MAX_CHANNELS:
            raise ValueError(f"a deck at {said['sample_rate']} Hz with {said['inputs']} inputs")
        if not all(isinstance(said[name], str) for name in ("model", "digest")):
            raise ValueError("a deck without a model")
    entries = take.entries
    done = entries[entries["source"] == CALLBACK]
    known = np.isin(done["number"][done["kind"] == PLUGGED], list(take.decks))
    if not (
        all(np.isfinite(entries[name]).all() and (np.abs(entries[name]) < 2**53).all() for name in ("value", "over"))
        and all((entries[name] >= 0).all() for name in ("sample", "number", "over"))
        and ((done["kind"] >= GAIN) & (done["kind"] <= GONE)).all()
        and ((done["slot"] >= 0) & (done["slot"] < SLOTS)).all()
        and known.all()
    ):
        raise ValueError("an entry of the log is out of range")


def _brief(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200].rstrip('.')}" if text else type(error).__name__
