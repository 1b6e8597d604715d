"""Makes the sound of a take again, faster than it was played: the same events, frames and faders, the same samples.

Each deck is an engine that is told, frame by frame, what the deck was told; the callback is the same compiled code, and
the log of the one that played says when decks were plugged in, when their rings opened and ran dry, and what was faded.
So what is heard again includes every dropout.
"""

from __future__ import annotations

import os
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile as sf

from realtime.audio.mixer import Mixer
from realtime.ipc import rings
from realtime.ipc.layout import HISTORY, OPENED, PLUGGED, UNDERRUN, UNPLUGGED, Geometry
from realtime.ipc.segments import Segment
from realtime.library.library import Library, digest
from realtime.takes.deck_renderer import DeckRenderer
from realtime.takes.journal import CALLBACK
from realtime.takes.recorder import check_path
from realtime.takes.take import Take, TakeError, open_take

STRETCH = 4096  # frames mixed at once
SETTLED_S = 5.0  # nothing that ended so long before a take is heard in it
FORMATS = {".wav": "FLOAT", ".flac": "PCM_24"}


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
    """Give a take's sound, portion by portion [shape=(frames, channels)]."""
    stream = Segment.local(Geometry("stream", take.channels, HISTORY))
    mixer = Mixer(stream, take.sample_rate, take.channels)
    entries = take.entries[take.entries["source"] == CALLBACK]
    decks = _Decks(take, library, entries)
    following = 0
    at = 0
    try:
        decks.start()
        while at < take.end:
            while following < len(entries) and entries[following]["sample"] <= at:
                _do(entries[following], mixer, decks)
                following += 1
            until = min(take.end, at + STRETCH)
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


def _do(entry: np.void, mixer: Mixer, decks: _Decks) -> None:
    """Let the callback find what it found then."""
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
    """A deck again: its ring, and what fills it. The sound of one without a model is silence."""

    def __init__(self, take: Take, number: int, model: Path | None) -> None:
        said = take.decks[number]
        self._begin = (take, number, model) if model is not None else None
        self._again: DeckRenderer | None = None
        self._made = np.zeros((int(said["channels"]), 0), np.float32)
        self.segment = Segment.local(Geometry("deck", int(said["channels"]), int(said["capacity"])))
        self.segment["deck"][0]["number"] = number
        self.open = False
        self.given = 0

    def start(self) -> None:
        """Begin to decode; it goes a little ahead."""
        if self._begin is not None and self._again is None:
            self._again = DeckRenderer(*self._begin)

    def push(self, frames: int) -> None:
        """Put so many frames into the ring."""
        self.given += frames
        rings.push_audio(self.segment["ring_index"], self.segment["ring"], len(self._made), self._audio(frames))

    def skip_to(self, frame: int) -> None:
        """Let go what a device played that died before it could tell."""
        if not self.given <= frame <= self.given + self.segment.geometry.capacity:
            raise TakeError("The take has gaps in its log, so it cannot be rendered.")
        while self.given < frame:
            self.push(min(frame - self.given, STRETCH))
            rings.clear(self.segment["ring_index"])

    def close(self) -> None:
        """End what decodes."""
        if self._again is not None:
            self._again.close()
        self._begin = self._again = None

    def _audio(self, frames: int) -> np.ndarray:
        if self._begin is None:
            return np.zeros((len(self._made), frames), np.float32)
        self.start()
        assert self._again is not None
        while self._made.shape[1] < frames:
            self._made = np.concatenate([self._made, self._again.read()], axis=1)
        made, self._made = self._made[:, :frames], self._made[:, frames:]
        return np.ascontiguousarray(made)


class _Decks:
    """The decks of a take, by number, and which of them is plugged into which slot.

    Each decodes in a process of its own. A few begin before they are needed, in the order in which they will be, so
    that nobody waits while a model is loaded. Those whose sound had ended long before the take began are not decoded.
    """

    def __init__(self, take: Take, library: Library, entries: np.ndarray) -> None:
        self._ends = _ends(take, entries)
        heard = [n for n, end in self._ends.items() if end >= take.begin - SETTLED_S * take.sample_rate]
        find = _Finder(library)
        models = {number: find(take.decks[number]) for number in heard}
        self._decks = {number: _Deck(take, number, models.get(number)) for number in self._ends}
        self._upcoming = deque(heard)
        self.plugged: dict[int, _Deck] = {}

    def start(self) -> None:
        """Let the first ones begin."""
        for _ in range((os.cpu_count() or 1) + 1):
            self._start_next()

    def plug(self, slot: int, number: int) -> _Deck:
        """Let a slot have a deck, whose ring is yet to open."""
        deck = self.plugged[slot] = self._decks[number]
        deck.open = False
        return deck

    def unplug(self, slot: int, sample: int) -> None:
        """Take the deck out of a slot; one that doesn't come back is ended."""
        deck = self.plugged.pop(slot)
        number = int(deck.segment["deck"][0]["number"])
        if sample >= self._ends[number]:
            deck.close()
            self._start_next()

    def close(self) -> None:
        """End all of them."""
        for deck in self._decks.values():
            deck.close()

    def _start_next(self) -> None:
        if self._upcoming:
            self._decks[self._upcoming.popleft()].start()


def _ends(take: Take, entries: np.ndarray) -> dict[int, int]:
    """Say at which sample each deck was taken out for good, in the order in which they were first plugged in."""
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


class _Finder:
    """Finds the very models that were played, wherever they are now."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._digests: dict[Path, str] = {}

    def __call__(self, said: dict[str, str]) -> Path:
        path, wanted = Path(said["model"]), said["digest"]
        for one in (path, *(self._library.find(name) for name in self._library.names())):
            if one.is_file() and self._digest(one) == wanted:
                return one
        raise TakeError(
            f"The model {path.name} is neither at {path} nor in the library, or is another now "
            f"(SHA-256 {wanted[:12]}…); put it into the library."
        )

    def _digest(self, path: Path) -> str:
        if path not in self._digests:
            self._digests[path] = digest(path)
        return self._digests[path]
