"""Recording: a thread that copies the history of the output into files, without involving the audio threads.

All files of a recording begin at the same sample position and have the same length. They can be read at any time; if
the process is killed, only the last `HOLD_S` and one polling interval are missing.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np

from export.errors import GlitchError
from realtime.ipc.memory_layout import LETTERS
from realtime.ipc.segments import Segment
from realtime.takes.soundfile_writer import FORMATS, SoundFileWriter

PARTS = ("output", "input", *LETTERS)
POLL_S = 0.1
HOLD_S = 0.25  # how far the files lag the clock, so that `close` can end at a position that is already over
MAX_FRAMES = 4096  # audio frames that are copied and written at once
MAX_NAME_BYTES = 180  # file systems allow 255; a number and a part are added

REMEDIES = {
    errno.ENOSPC: "make room there, or record to another disk",
    errno.EDQUOT: "make room there, or record to another disk",
    errno.EFBIG: "begin another take, or record to .wav on a disk that allows long files",
}
REMEDY = "check that disk, or record to another one"

NOT_IN_NAMES = frozenset('/\\:*?"<>|')
DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$"}
DEVICES |= {f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³"}


class RecordError(GlitchError):
    """The file cannot be written."""


class Recorder:
    """Records the output, the live input or decks from a sample position on.

    Parameters
    ----------
    path
        A `.wav`, `.aiff` or `.caf` file (32-bit float, exact samples), or `.flac` (24 bit, clipped at full scale).
        Existing files are never overwritten: the new files get a number, all of them the same.
    segment
        The stream segment.
    frames
        Audio frames to record; None records until `close`.
    parts
        One or more of `output`, `input` (the live input) and the letters of decks (before the master). The output is
        written to `path` and the others beside it: `take.input.wav`, `take.a.wav`.

    Attributes
    ----------
    rate : int
        Of the files, in Hz.
    path : Path
        Of the output's file, with its number.
    paths : dict[str, Path]
        The file of each part.
    written : int
        Audio frames in all files.
    lost : int
        Those of them that are silent because the disk was too slow for the history.
    error : str or None
        A sentence about why recording ended early. The files keep everything until then.

    Raises
    ------
    RecordError
        A file cannot be made, a part doesn't exist, or there is no live input.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        segment: Segment,
        frames: int | None = None,
        *,
        parts: Sequence[str] = ("output",),
    ) -> None:
        check_path(path)
        self._sources = {part: _source(segment, part) for part in parts}
        if not parts or len(self._sources) < len(parts):
            raise RecordError(f"Cannot record '{', '.join(parts)}': name one or more of {', '.join(PARTS)}, each once.")
        self._stream = segment["stream"][0]
        self._capacity = segment.geometry.capacity
        self.rate = int(self._stream["sample_rate"])
        self._wanted = frames
        self._next = 0
        self._silent_until = 0
        self._end: int | None = None
        self._stop, self._finished = threading.Event(), threading.Event()
        self.written = 0
        self.lost = 0
        self.error: str | None = None
        self.path, self._files = self._open(Path(path))
        self.paths = {part: file.path for part, file in self._files.items()}
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self, sample: int) -> None:
        """Begin at a sample position, which may be over already if the history still reaches back to it."""
        self._next = sample
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether the files are complete: recorded in full, closed, or failed."""
        return self._finished.is_set()

    def close(self, until: int | None = None) -> None:
        """Write the rest, and complete the files.

        Parameters
        ----------
        until
            Sample position to end before, at most `HOLD_S` ago; None ends now.
        """
        if not self._stop.is_set():
            now = int(self._stream["clock"])
            self._end = now if until is None else min(until, now)
            self._stop.set()
        if self._thread.ident is None:
            self._complete()
        else:
            self._thread.join()

    def _open(self, path: Path) -> tuple[Path, dict[str, SoundFileWriter]]:
        """Make the files of all parts, under the first number that is free."""
        for name in _free_paths(path):
            with contextlib.ExitStack() as undo:
                files = {}
                try:
                    for part, source in self._sources.items():
                        files[part] = SoundFileWriter(_beside(name, part), self.rate, source.shape[1])
                        undo.callback(_discard, files[part])
                except FileExistsError:  # another recorder was faster
                    continue
                except OSError as error:
                    raise RecordError(f"Cannot record to '{path}': {_reason(error)}.") from None
                undo.pop_all()
            return name, files
        raise AssertionError("unreachable")

    def _run(self) -> None:
        try:
            while not self._enough and not self._stop.wait(POLL_S):
                self._catch_up(self._certain)
            self._catch_up(lambda: self._end or 0)
        finally:
            self._complete()

    def _certain(self) -> int:
        """Return the sample position up to which the recording can be written while its end is open."""
        hold = 0 if self._wanted is not None else round(HOLD_S * self.rate)
        return int(self._stream["clock"]) - hold

    @property
    def _enough(self) -> bool:
        return self.error is not None or (self._wanted is not None and self.written >= self._wanted)

    def _catch_up(self, goal: Callable[[], int]) -> None:
        while not self._enough and self._next < (end := goal()):
            count = min(MAX_FRAMES, end - self._next)
            if self._wanted is not None:
                count = min(count, self._wanted - self.written)
            pieces = self._read(count)
            for part, file in self._files.items():
                if self._succeeds(file, partial(file.write, pieces[part])):
                    self._succeeds(file, file.update)
            written = min(file.frames for file in self._files.values())
            self._next += written - self.written
            self.written = written

    def _read(self, count: int) -> dict[str, np.ndarray]:
        """Copy up to `count` frames of all parts; frames that the callback has overwritten become silence, and lost."""
        begin = self._next % self._capacity
        end = min(begin + count, self._capacity)
        pieces = {part: source[begin:end].copy() for part, source in self._sources.items()}
        clock, block = int(self._stream["clock"]), int(self._stream["largest_block"])  # the block that is being written
        if clock + block - self._next > self._capacity:
            self._silent_until = clock - self._capacity // 2
        silent = min(count, self._silent_until - self._next)
        if silent <= 0:
            return pieces
        self.lost += silent
        return {part: np.zeros((silent, source.shape[1]), np.float32) for part, source in self._sources.items()}

    def _succeeds(self, file: SoundFileWriter, act: Callable[[], None]) -> bool:
        """Write to a file; a failure ends the recording, and the first one is kept as `error`."""
        try:
            act()
        except OSError as error:
            kept = f"Recording to '{file.path}' ended after {file.frames / self.rate:.1f} s, which are kept"
            remedy = REMEDIES.get(error.errno or 0, REMEDY)
            self.error = self.error or f"{kept}: {_reason(error)}; {remedy}."
            return False
        return True

    def _complete(self) -> None:
        for file in self._files.values():
            self._succeeds(file, file.close)
        self.written = min(file.frames for file in self._files.values())
        self._finished.set()


def check_path(path: str | os.PathLike[str], doing: str = "record to") -> None:
    """Check that a recording can be written to a path.

    Parameters
    ----------
    path
        Of the file.
    doing
        Names the action in errors.

    Raises
    ------
    RecordError
        The suffix is unknown, the folder is missing, or no file can be made in it.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise RecordError(f"Cannot {doing} '{path}': give a name that ends in {', '.join(FORMATS)}.")
    if not os.path.isdir(path.absolute().parent) or os.path.isdir(path):
        raise RecordError(
            f"Cannot {doing} '{path}': there is no folder for it, or it is a folder itself; choose another name."
        )
    check_folder(path.absolute().parent)


def check_folder(folder: Path) -> None:
    """Check that a file can be made in a folder.

    Raises
    ------
    RecordError
        No file can be made, with the reason.
    """
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise RecordError(f"Cannot write into the folder {folder}: {_reason(error)}; choose another.") from None


def timestamped_path(folder: Path, suffix: str = ".wav", now: datetime | None = None) -> Path:
    """Choose a free path that sorts by time.

    Parameters
    ----------
    folder
        The folder for the file.
    suffix
        The suffix of the file.
    now
        The time in the name. Default: now.

    Returns
    -------
    Path
        In `folder`, such as `2026-11-20 20-15-03.wav` or, if that is taken, `2026-11-20 20-15-03_2.wav`.
    """
    stem = f"{now or datetime.now():%Y-%m-%d %H-%M-%S}"
    return next(_free_paths(folder / f"{stem}{suffix}", "_"))


def recording_path(folder: Path, name: str) -> Path:
    """Check a file name that came over the network, and make its path.

    Parameters
    ----------
    folder
        The folder for the file.
    name
        A plain file name; `.wav` is added if it has no suffix.

    Returns
    -------
    Path
        In `folder`, with a suffix; the file may exist already.

    Raises
    ------
    RecordError
        It is not a plain file name that every system allows, its suffix is unknown, or no file can be made in
        the folder.
    """
    plain = name.isprintable() and not NOT_IN_NAMES & set(name) and name == name.strip()
    if not plain or not name or name.startswith(".") or name.endswith("."):
        shown = ascii(name[:80])
        raise RecordError(
            f'Cannot record to {shown}: give a plain file name, without folders and none of : * ? " < > |.'
        )
    if name.split(".", maxsplit=1)[0].strip().lower() in DEVICES:
        raise RecordError(f"Cannot record to '{name[:80]}': on some systems that is a device; give another name.")
    if not Path(name).suffix:
        name += ".wav"
    if len(name.encode()) > MAX_NAME_BYTES:
        raise RecordError(f"Cannot record to '{name[:80]}…': give a name of no more than {MAX_NAME_BYTES} bytes.")
    path = folder / name
    check_path(path)
    return path


def _source(segment: Segment, part: str) -> np.ndarray:
    """Return the history of a part [shape=(capacity, channels)]."""
    if part == "output":
        return segment["history"]
    if part in LETTERS:
        return segment["stems"][:, LETTERS.index(part)]
    if part != "input":
        raise RecordError(f"Cannot record '{part}': name one or more of {', '.join(PARTS)}.")
    if not segment.geometry.inputs:
        raise RecordError("Cannot record the input: none is open; start with a device that has one.")
    return segment["input"]


def _beside(path: Path, part: str) -> Path:
    return path if part == "output" else path.with_stem(f"{path.stem}.{part}")


def _free_paths(path: Path, mark: str = "-") -> Iterator[Path]:
    """Yield the path, then `name-2`, `name-3` …, without those of which any part exists."""
    numbered = (path.with_stem(f"{path.stem}{mark}{n}") for n in itertools.count(2))
    for name in itertools.chain([path], numbered):
        if not any(os.path.lexists(_beside(name, part)) for part in PARTS):
            yield name


def _discard(file: SoundFileWriter) -> None:
    with contextlib.suppress(OSError):
        file.close()
    file.path.unlink(missing_ok=True)


def _reason(error: OSError) -> str:
    return str(error.strerror or error).rstrip(".")
