"""What processes share, byte for byte.

Two kinds of shared memory: one **stream segment** a session (clock, meters, counters, parameter values, the history of
the output) and one **deck segment** a deck (its audio ring, its event ring, what it tells). Every field has one writer,
named here; readers take what they find. Indices of rings are published with fences, by `realtime.ipc.rings`.

Segments are named `glitch-<pid>-<n>` and noted in a file that its owner keeps locked, so that whoever starts next can
tell the segments of the living from those of the dead, and sweeps the latter.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

from export.errors import GlitchError

VERSION = 5
LETTERS = ("a", "b")  # the decks
MAX_PARAMETERS = 2048  # of a deck, the host's included
MAX_LATENTS = 256
MAX_CHANNELS = 8
SLOTS = 4
HISTORY = 1 << 18
EVENTS = 1 << 13
COMMANDS = 1 << 10
PENDING = 1 << 10  # commands for later that the callback holds
LOG = 1 << 12
RING = 1 << 15
STRETCH = 256  # frames that the callback mixes at once
MUTE_MS = 8.0

# What stands in an event in the place of a parameter.
CAPTURE = -1  # keep the state of the engine under the number that the value gives
RESTORE = -2  # go on from the state of that number
GLIDE = -3  # the parameters that follow take so many ms to their value, until it is 0 again
HEAR = -4  # from here on the live input is read at that sample of the clock (only told, never asked)

# What a command tells the callback, and what its log tells of it.
GAIN, MUTE, FADE = 1, 2, 3  # value: linear; 0 or 1; the slot's gain
PLUGGED, OPENED, DRY = 4, 5, 6  # a slot was seen for the first time; its ring is heard from here on; ran out here
GONE = 7  # a slot is empty from here on

# One cache line for each index of a ring, so that reader and writer don't fight over it.
READ, WRITE, INDEX_WORDS = 0, 8, 16

# The stream: `clock` counts the samples given to the device, and is the time line of everything.
STREAM = np.dtype(
    [
        # written by the callback
        ("clock", "i8"),
        ("input_clock", "i8"),  # samples of the live input that have come; ahead of the clock while a block is played
        ("callbacks", "i8"),
        ("device_underruns", "i8"),  # what PortAudio reported: the device came too late for us, or we for it
        ("nonfinite", "i8"),  # samples that were not numbers, played as silence
        ("limited", "i8"),  # blocks in which the limiter had work
        ("mute_gain", "f8"),
        ("master_gain", "f8"),
        ("limiter_gain", "f8"),
        ("largest_block", "i8"),  # frames; a device may vary them
        ("gain", "f8"),  # linear, where master_gain goes
        ("mute", "i8"),
        ("pending", "i8"),  # commands that wait for their sample
        ("lost_log", "i8"),  # what was done and found no room in the log
        # written by the device process before it plays
        ("sample_rate", "f8"),
        ("channels", "i8"),  # of the device
        ("inputs", "i8"),  # of the device
        # written by the host
        ("block", "i8"),
        ("osc_messages", "i8"),
        ("osc_bad", "i8"),
        ("osc_unknown", "i8"),
        ("stopping", "i8"),
    ],
    align=True,
)

# A mixer slot, which ties a deck to the callback. Addresses are the deck segment's in the device process.
SLOT = np.dtype(
    [
        # written by the device process
        ("active", "i8"),  # last of all; everything below is read only while it is 1
        ("letter", "i8"),
        ("index_address", "i8"),
        ("ring_address", "i8"),
        ("deck_address", "i8"),
        ("capacity", "i8"),
        ("channels", "i8"),
        # first written by the device process, then by the callback
        ("target", "f8"),  # the gain to go to
        ("step", "f8"),  # how far the gain goes in a sample
        ("gain", "f8"),
        ("seen", "i8"),
        ("fade", "f8"),  # 0 silent, 1 open: follows the deck's underruns
        ("waiting", "i8"),  # 1 while the ring fills again
        ("tail", "f8"),  # what is left of the fade out that covers a missing frame, 1 to 0
        ("tail_level", "f8"),  # how loud it began
        ("tail_frame", "i8"),  # the frame of the ring that it plays next, backwards
    ],
    align=True,
)

# What the callback keeps for a channel from block to block, and nobody else reads: the DC filter's last samples.
FILTER = np.dtype([("last_in", "f8"), ("last_out", "f8")], align=True)

DECK = np.dtype(
    [
        # written by the callback
        ("play_offset", "i8"),  # clock minus frames read: where on the time line the ring's next frame sounds
        ("underruns", "i8"),
        ("missing", "i8"),  # frames that were not there when they were due
        # written by the deck
        ("ready", "i8"),
        ("frames", "i8"),  # latent frames decoded
        ("captured", "i8"),  # number of the state that was kept last
        ("lost_done", "i8"),  # events that were done and found no room in the log
        ("problems", "i8"),  # sentences about effects, so far; the last one stands in `problem`
        ("input_jumps", "i8"),  # times that the live input came too late, or too early
        ("input_delay", "i8"),  # samples from the live input to the sound that it makes, or itself
        ("events", "i8"),  # events applied
        ("nonfinite", "i8"),  # frames muted because the model gave no numbers
        ("fill", "f8"),  # frames that were still in the ring when a hop was begun, smoothed
        ("decode_ms", "f8"),  # what a hop costs, smoothed
        ("worst_ms", "f8"),
        ("deadline_ms", "f8"),
        ("delay", "i8"),  # samples by which the sound lags its latent inside the deck
        ("priority", "i8"),  # real-time priority it got, 0 for none
        ("hop", "i8"),  # at the stream's rate
        # written by the host
        ("number", "i8"),  # counts the decks of a session
        ("ahead", "i8"),  # frames to keep in the ring
        ("stop", "i8"),
        ("lost_events", "i8"),  # events that found the ring full
    ],
    align=True,
)

EVENT = np.dtype([("sample", "i8"), ("parameter", "i8"), ("value", "f8")], align=True)

# What a deck has done: an event with the frame before which it acted. `sample` is where that frame sounds.
DONE = np.dtype([("frame", "i8"), ("sample", "i8"), ("parameter", "i8"), ("value", "f8")], align=True)

# What the host asks of the callback, at a sample of the clock (0 for at once), and the callback's note of what it did.
# `over` is the time of a fade in samples, or a slot's step when it is plugged; `number` is the number of the deck that
# was plugged, or the frame of its ring that is next.
COMMAND = np.dtype(
    [("sample", "i8"), ("kind", "i8"), ("slot", "i8"), ("value", "f8"), ("over", "f8"), ("number", "i8")],
    align=True,
)

METERS = np.dtype([("peak", "f8"), ("power", "f8")], align=True)


@dataclass(frozen=True)
class Geometry:
    """The sizes that both sides of a segment must agree on; stands as JSON at the segment's start."""

    kind: str
    channels: int
    capacity: int
    inputs: int = 0  # channels of the live input
    version: int = VERSION


_HEAD = 256


class Segment:
    """A block of shared memory seen as named arrays.

    Made with `create` by the one process that owns it, opened with `attach` by the others. `close` gives the mapping
    back; the owner's `close` also removes the segment.
    """

    def __init__(self, memory: SharedMemory | None, geometry: Geometry, *, owner: bool) -> None:
        self._memory = memory
        self._owner = owner
        self.geometry = geometry
        self.name = memory.name if memory is not None else ""
        self.arrays: dict[str, np.ndarray] = {}
        offset = _HEAD
        buffer = memory.buf if memory is not None else bytearray(self._size(geometry) + 64)
        assert buffer is not None
        for name, (dtype, shape) in self._fields(geometry).items():
            # frombuffer, not ndarray: it holds the buffer, so that nothing is unmapped under a view that somebody kept
            flat = np.frombuffer(buffer, dtype, math.prod(shape), offset)
            self.arrays[name] = flat.reshape(shape)
            offset += _rounded(flat.nbytes)

    @classmethod
    def local(cls, geometry: Geometry) -> Self:
        """Make a segment that no other process sees, in plain memory."""
        return cls(None, geometry, owner=False)

    @classmethod
    def _size(cls, geometry: Geometry) -> int:
        sizes = (math.prod(shape) * np.dtype(dtype).itemsize for dtype, shape in cls._fields(geometry).values())
        return _HEAD + sum(map(_rounded, sizes))

    @staticmethod
    def _fields(geometry: Geometry) -> dict[str, tuple[Any, tuple[int, ...]]]:
        if geometry.kind == "stream":
            return {
                "stream": (STREAM, (1,)),
                "slots": (SLOT, (SLOTS,)),
                "filters": (FILTER, (MAX_CHANNELS,)),
                "meters": (METERS, (MAX_CHANNELS,)),
                "input_meters": (METERS, (MAX_CHANNELS,)),
                "values": ("f8", (len(LETTERS) * MAX_PARAMETERS,)),
                "command_index": ("i8", (INDEX_WORDS,)),
                "commands": (COMMAND, (COMMANDS,)),
                "pending": (COMMAND, (PENDING,)),
                "log_index": ("i8", (INDEX_WORDS,)),
                "log": (COMMAND, (LOG,)),
                "bus": ("f4", (len(LETTERS), STRETCH, MAX_CHANNELS)),  # the callback's scratch
                "outputs": ("i8", (MAX_CHANNELS,)),  # the device's channel of each of ours
                "input_map": ("i8", (MAX_CHANNELS,)),
                "history": ("f4", (geometry.capacity, geometry.channels)),  # what was heard
                "stems": (
                    "f4",
                    (geometry.capacity, len(LETTERS), geometry.channels),
                ),  # of each deck, before the master
                "input": ("f4", (geometry.capacity, geometry.inputs)),
                "info": ("u1", (1 << 16,)),
            }
        return {
            "deck": (DECK, (1,)),
            "ring_index": ("i8", (INDEX_WORDS,)),
            "event_index": ("i8", (INDEX_WORDS,)),
            "events": (EVENT, (EVENTS,)),
            "done_index": ("i8", (INDEX_WORDS,)),
            "done": (DONE, (EVENTS,)),
            "latents": ("f4", (MAX_LATENTS,)),
            "problem": ("u1", (512,)),
            "ring": ("f4", (geometry.capacity * geometry.channels,)),
        }

    @classmethod
    def create(cls, geometry: Geometry, registry: Registry) -> Self:
        """Make a segment of zeros and note it in the registry."""
        name = registry.new_name()
        with _untracked():
            memory = SharedMemory(name=name, create=True, size=cls._size(geometry))
        head = json.dumps(asdict(geometry)).encode()
        assert memory.buf is not None
        memory.buf[: len(head)] = head
        return cls(memory, geometry, owner=True)

    @classmethod
    def attach(cls, name: str) -> Self:
        """Open a segment that another process made.

        Raises
        ------
        GlitchError
            There is no such segment, or another version of the program made it.
        """
        try:
            with _untracked():
                memory = SharedMemory(name=name)
        except (FileNotFoundError, ValueError):
            raise GlitchError(f"There is no session '{name}' to attach to; start glitch-live first.") from None
        assert memory.buf is not None
        head = bytes(memory.buf[:_HEAD]).rstrip(b"\0")
        try:
            geometry = Geometry(**json.loads(head))
        except (ValueError, TypeError):
            memory.close()
            raise GlitchError(f"'{name}' holds no session, or one that is just being made; try again.") from None
        if geometry.version != VERSION:
            raise GlitchError(f"The session '{name}' speaks version {geometry.version} of the layout, not {VERSION}.")
        return cls(memory, geometry, owner=False)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def address(self, name: str) -> int:
        """Give the address of an array in this process."""
        return int(self.arrays[name].ctypes.data)

    def write_info(self, info: dict[str, Any]) -> None:
        """Describe the session for those who attach (stream segment only)."""
        data = json.dumps(info).encode()
        area = self.arrays["info"]
        if len(data) >= area.size:
            raise GlitchError("The session's description is too long for its segment.")
        area[: len(data)] = np.frombuffer(data, np.uint8)
        area[len(data)] = 0

    def read_info(self) -> dict[str, Any]:
        """Read what `write_info` wrote."""
        data = self.arrays["info"].tobytes()
        info: dict[str, Any] = json.loads(data[: data.index(0)] or b"{}")
        return info

    def write_text(self, name: str, text: str) -> None:
        """Put a text into an array of bytes, as much of it as fits."""
        area = self.arrays[name]
        data = text.encode()[: area.size - 1] + b"\0"
        area[: len(data)] = np.frombuffer(data, np.uint8)

    def read_text(self, name: str) -> str:
        """Read what `write_text` wrote."""
        return self.arrays[name].tobytes().split(b"\0")[0].decode(errors="ignore")

    def close(self) -> None:
        """Remove the segment if it is ours, and give the mapping back as soon as nobody holds a view of it."""
        self.arrays.clear()
        if self._memory is None:
            return
        if self._owner:
            with contextlib.suppress(FileNotFoundError), _untracked():
                self._memory.unlink()
        _let_go(self._memory)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Registry:
    """The note of which segments this process owns, in a file it keeps locked while it lives.

    The operating system lets go of the lock when the process ends, however it ends; that is what `sweep` asks.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or registry_folder()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._path = self._folder / f"{os.getpid()}-{secrets.token_hex(3)}"
        self._file: IO[str] = self._path.open("w")
        if not lock_file(self._file):
            raise GlitchError(f"Cannot lock {self._path}; check that the folder allows it.")

    def new_name(self) -> str:
        """Note and give a name for a segment."""
        name = f"glitch-{os.getpid()}-{secrets.token_hex(4)}"
        self._file.write(name + "\n")
        self._file.flush()
        return name

    def close(self) -> None:
        """Forget the note; the segments are gone by now."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def registry_folder() -> Path:
    """Say where notes of living sessions are kept."""
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    return Path(tempfile.gettempdir()) / f"glitch-live-{user}"


def sweep(folder: Path | None = None) -> list[str]:
    """Remove the segments that dead sessions left behind, and say which they were."""
    folder = folder or registry_folder()
    swept: list[str] = []
    for path in sorted(folder.glob("*-*")) if folder.is_dir() else []:
        try:
            with path.open("r+") as file:
                if not lock_file(file):
                    continue
                names = file.read().split()
        except OSError:
            continue
        swept.extend(name for name in names if _remove(name))
        path.unlink(missing_ok=True)
    return swept


def _remove(name: str) -> bool:
    with _untracked():
        try:
            memory = SharedMemory(name=name)
        except (FileNotFoundError, ValueError):
            return False
        with contextlib.suppress(FileNotFoundError):
            memory.unlink()
        memory.close()
    return True


def _let_go(memory: SharedMemory) -> None:
    """Close a mapping, or, while somebody still holds a view, leave it to the last of them."""
    try:
        memory.close()
    except BufferError:
        inside: Any = memory
        inside._buf = inside._mmap = None  # the views keep the map, which closes itself when they are gone
        memory.close()


def lock_file(file: IO[str]) -> bool:
    """Take the file's lock if it is free; it is held until the file is closed."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(1 << 20)  # a byte beyond the text, so that others may still read it
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            file.seek(0)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _untracked() -> Iterator[None]:
    """Keep Python's resource tracker out of it: it would remove what others still use. `sweep` is our way."""
    kept = resource_tracker.register, resource_tracker.unregister
    resource_tracker.register = resource_tracker.unregister = lambda *_: None
    try:
        yield
    finally:
        resource_tracker.register, resource_tracker.unregister = kept


def _rounded(size: int) -> int:
    return (size + 63) // 64 * 64
