"""Rendering of takes to the same samples, faster than real time.

Each deck is an engine with the same events before the same frames. The callback is the same compiled code, and its log
says when decks were plugged in, when their rings opened and ran empty, and what was faded. So the render includes every
dropout.
"""

from __future__ import annotations

import os
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile as sf

from realtime.audio.deck_mixer import DeckMixer
from realtime.ipc import rings
from realtime.ipc.memory_layout import HISTORY, OPENED, PLUGGED, UNDERRUN, UNPLUGGED, Geometry
from realtime.ipc.segments import Segment
from realtime.library.library import Library, digest
from realtime.takes.deck_renderer import DeckRenderer
from realtime.takes.journal import CALLBACK
from realtime.takes.recorder import check_path
from realtime.takes.take import Take, TakeError, open_take

MAX_FRAMES = 4096  # audio frames that are mixed at once
SETTLED_S = 5.0  # a deck that ended this long before the take has no influence on it
FORMATS = {".wav": "FLOAT", ".flac": "PCM_24"}


def render(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    library: Library,
    progress: Callable[[float], None] = lambda _share: None,
) -> Take:
    """Render a take to an audio file; no partial file is left if it fails.

    Parameters
    ----------
    path
        The take, or the journal of a session that was killed.
    out
        The file to write.
    library
        Searched for models that are not at their recorded paths.
    progress
        Called from time to time with the share that is done, 0 to 1.

    Returns
    -------
    take : Take
        The take that was rendered.

    Raises
    ------
    TakeError
        The take cannot be read or rendered.
    GlitchError
        A model is missing, or the file cannot be written.
    """
    out = Path(out)
    check_path(out, "write")
    scratch = out.with_name(f".{secrets.token_hex(4)}.{out.name}")
    with open_take(path) as take:
        try:
            kind = FORMATS.get(out.suffix.lower(), "FLOAT")
            with sf.SoundFile(scratch, "w", int(take.sample_rate), take.channels, subtype=kind) as file:
                for audio in render_blocks(take, library, progress):
                    file.write(audio)
            os.replace(scratch, out)
        except (OSError, sf.LibsndfileError) as error:
            raise TakeError(f"Cannot write {out}: {error}; free some space, or choose another place.") from None
        finally:
            scratch.unlink(missing_ok=True)
        return take


def render_blocks(
    take: Take, library: Library, progress: Callable[[float], None] = lambda _share: None
) -> Iterator[np.ndarray]:
    """Render a take block by block.

    Parameters
    ----------
    take
        An open take.
    library, progress
        As for `render`.

    Yields
    ------
    audio : np.ndarray [shape=(frames, channels)], float32

    Raises
    ------
    TakeError
        A model is missing, or the take has gaps or doesn't fit its models.
    """
    stream = Segment.local(Geometry("stream", take.channels, HISTORY))
    mixer = DeckMixer(stream, take.sample_rate, take.channels)
    entries = take.entries[take.entries["source"] == CALLBACK]
    decks = _Decks(take, library, entries)
    following = 0
    at = 0
    try:
        decks.start()
        while at < take.end:
            while following < len(entries) and entries[following]["sample"] <= at:
                _apply_entry(entries[following], mixer, decks)
                following += 1
            until = min(take.end, at + MAX_FRAMES)
            if following < len(entries):
                until = min(until, int(entries[following]["sample"]))
            for deck in decks.plugged.values():
                if deck.open:
                    deck.push(until - at)
            out = np.zeros((until - at) * take.channels, np.float32)
            mixer.process(out, until - at)
            rings.clear(stream["log_index"])
            if until > take.begin:
                yield out.reshape(-1, take.channels)[max(take.begin - at, 0) :]
            at = until
            progress(at / take.end)
    finally:
        decks.close()


def _apply_entry(entry: np.void, mixer: DeckMixer, decks: _Decks) -> None:
    """Bring slots and rings into the state that the callback logged."""
    kind, slot = int(entry["kind"]), int(entry["slot"])
    if kind in (PLUGGED, UNPLUGGED):
        if slot in decks.plugged:
            mixer.unplug(slot)
            decks.unplug(slot, int(entry["sample"]))
        if kind == PLUGGED:
            deck = decks.plug(slot, int(entry["number"]))
            mixer.plug_at(slot, deck.segment, float(entry["value"]), float(entry["over"]))
    elif kind in (OPENED, UNDERRUN):
        if slot not in decks.plugged:
            raise TakeError("The take has gaps in its log, so it cannot be rendered.")
        deck = decks.plugged[slot]
        deck.open = kind == OPENED
        deck.skip_to(int(entry["number"]))
    else:
        mixer.command(kind, float(entry["value"]), slot=slot, over=float(entry["over"]))


class _Deck:
    """A deck's ring, filled by a renderer; silent without a model."""

    def __init__(self, take: Take, number: int, model: Path | None) -> None:
        description = take.decks[number]
        self._arguments = (take, number, model) if model is not None else None
        self._renderer: DeckRenderer | None = None
        self._decoded = np.zeros((int(description["channels"]), 0), np.float32)
        self.segment = Segment.local(Geometry("deck", int(description["channels"]), int(description["capacity"])))
        self.segment["deck"][0]["number"] = number
        self.open = False
        self.given = 0

    def start(self) -> None:
        """Begin to decode, a little ahead."""
        if self._arguments is not None and self._renderer is None:
            self._renderer = DeckRenderer(*self._arguments)

    def push(self, frames: int) -> None:
        """Push frames into the ring."""
        self.given += frames
        rings.push_audio(self.segment["ring_index"], self.segment["ring"], len(self._decoded), self._audio(frames))

    def skip_to(self, frame: int) -> None:
        """Skip frames that a device process played but could not log before it died."""
        if not self.given <= frame <= self.given + self.segment.geometry.capacity:
            raise TakeError("The take has gaps in its log, so it cannot be rendered.")
        while self.given < frame:
            self.push(min(frame - self.given, MAX_FRAMES))
            rings.clear(self.segment["ring_index"])

    def close(self) -> None:
        """End the renderer."""
        if self._renderer is not None:
            self._renderer.close()
        self._arguments = self._renderer = None

    def _audio(self, frames: int) -> np.ndarray:
        if self._arguments is None:
            return np.zeros((len(self._decoded), frames), np.float32)
        self.start()
        assert self._renderer is not None
        while self._decoded.shape[1] < frames:
            self._decoded = np.concatenate([self._decoded, self._renderer.read()], axis=1)
        audio, self._decoded = self._decoded[:, :frames], self._decoded[:, frames:]
        return np.ascontiguousarray(audio)


class _Decks:
    """The decks of a take, with the slots that they are plugged into.

    Each is decoded in a process of its own. A few are started before they are needed, in the order of use, to hide the
    loading of their models. Decks that ended long before the take begins are not decoded.

    Attributes
    ----------
    plugged : dict[int, _Deck]
        By slot.
    """

    def __init__(self, take: Take, library: Library, entries: np.ndarray) -> None:
        self._ends = _ends(take, entries)
        audible = [n for n, end in self._ends.items() if end >= take.begin - SETTLED_S * take.sample_rate]
        find = _ModelFinder(library)
        models = {number: find(take.decks[number]) for number in audible}
        self._decks = {number: _Deck(take, number, models.get(number)) for number in self._ends}
        self._upcoming = deque(audible)
        self.plugged: dict[int, _Deck] = {}

    def start(self) -> None:
        """Start the first decks."""
        for _ in range((os.cpu_count() or 1) + 1):
            self._start_next()

    def plug(self, slot: int, number: int) -> _Deck:
        """Plug a deck into a slot; its ring opens later."""
        deck = self.plugged[slot] = self._decks[number]
        deck.open = False
        return deck

    def unplug(self, slot: int, sample: int) -> None:
        """Unplug a slot, and end its deck unless it is plugged in again later."""
        deck = self.plugged.pop(slot)
        number = int(deck.segment["deck"][0]["number"])
        if sample >= self._ends[number]:
            deck.close()
            self._start_next()

    def close(self) -> None:
        """End all decks."""
        for deck in self._decks.values():
            deck.close()

    def _start_next(self) -> None:
        if self._upcoming:
            self._decks[self._upcoming.popleft()].start()


def _ends(take: Take, entries: np.ndarray) -> dict[int, int]:
    """Return the sample position at which each deck was finally unplugged, in the order of their first use."""
    ends: dict[int, int] = {}
    in_slot: dict[int, int] = {}
    for entry in entries[np.isin(entries["kind"], (PLUGGED, UNPLUGGED))]:
        slot = int(entry["slot"])
        if slot in in_slot:
            ends[in_slot.pop(slot)] = int(entry["sample"])
        if entry["kind"] == PLUGGED:
            in_slot[slot] = int(entry["number"])
            ends[in_slot[slot]] = take.end
    return ends


class _ModelFinder:
    """Finds the models of a take by digest, at their recorded paths or in the library."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._digests: dict[Path, str] = {}

    def __call__(self, description: dict[str, str]) -> Path:
        path, wanted = Path(description["model"]), description["digest"]
        for candidate in (path, *(self._library.find(name) for name in self._library.names())):
            if candidate.is_file() and self._digest(candidate) == wanted:
                return candidate
        raise TakeError(
            f"The model {path.name} is neither at {path} nor in the library, or is another now "
            f"(SHA-256 {wanted[:12]}…); put it into the library."
        )

    def _digest(self, path: Path) -> str:
        if path not in self._digests:
            self._digests[path] = digest(path)
        return self._digests[path]
