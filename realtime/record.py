"""Recording: a thread that follows the history of the output into a file. The audio doesn't know of it."""

from __future__ import annotations

import itertools
import os
import threading
from pathlib import Path

import numpy as np
import soundfile as sf

from export.contract import GlitchError
from realtime.memory import Segment

FORMATS = {".wav": "FLOAT", ".flac": "PCM_24", ".aiff": "FLOAT", ".aif": "FLOAT", ".caf": "FLOAT"}
POLL_S = 0.1


class RecordError(GlitchError):
    """The file cannot be written."""


class Recorder:
    """Writes the output from a sample of the clock on, until it has enough or is closed.

    Parameters
    ----------
    path
        A `.wav` (32-bit float, the very samples) or `.flac` (24 bit) file. A file that is there already is never
        written over: the new one gets a number, and `path` says which.
    segment
        The stream segment.
    frames
        How many to write; None records until `close`.
    """

    def __init__(self, path: str | os.PathLike[str], segment: Segment, frames: int | None = None) -> None:
        self.path = unused(Path(path))
        self._history = segment["history"]
        self._stream = segment["stream"][0]
        self._wanted = frames
        self._next = 0
        self._stop = threading.Event()
        self.written = 0
        self.lost = 0
        self.error: str | None = None
        kind = check_path(self.path)
        rate = int(self._stream["sample_rate"])
        try:
            self._file = sf.SoundFile(self.path, "w", rate, self._history.shape[1], subtype=kind)
        except (OSError, sf.LibsndfileError) as error:
            raise RecordError(f"Cannot record to '{self.path}': {_reason(error)}.") from None
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self, sample: int) -> None:
        """Begin with the frame that the clock calls `sample`."""
        self._next = sample
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether all that was wanted is written, or writing has failed."""
        return self.error is not None or (self._wanted is not None and self.written >= self._wanted)

    def close(self) -> None:
        """Write what has been played until now, and close the file."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._file.close()

    def _run(self) -> None:
        while not self._stop.wait(POLL_S) and not self.done:
            self._catch_up()
        self._catch_up()

    def _catch_up(self) -> None:
        clock = int(self._stream["clock"])
        length = len(self._history)
        if clock - self._next > length:  # the disk was slower than the history is long: silence keeps the time
            gap = clock - self._next - length // 2
            self.lost += gap
            self._write(np.zeros((gap, self._history.shape[1]), np.float32))
        while self._next < clock and not self.done:
            at = self._next % length
            self._write(self._history[at : min(at + clock - self._next, length)])

    def _write(self, audio: np.ndarray) -> None:
        if self._wanted is not None:
            audio = audio[: self._wanted - self.written]
        try:
            self._file.write(audio)
        except (OSError, sf.LibsndfileError) as error:
            self.error = f"Recording to '{self.path}' stopped after {self.written} frames: {_reason(error)}."
            return
        self.written += len(audio)
        self._next += len(audio)


def unused(path: Path) -> Path:
    """Give the path, or the first of `name-2`, `name-3` … that is free."""
    numbered = (path.with_stem(f"{path.stem}-{n}") for n in itertools.count(2))
    return next(p for p in itertools.chain([path], numbered) if not p.exists())


def check_path(path: str | os.PathLike[str]) -> str:
    """Give the sample format for a recording of that name.

    Raises
    ------
    RecordError
        The name's ending is none that can be written, or its folder isn't there.
    """
    path = Path(path)
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise RecordError(f"Cannot record to '{path}': give a name that ends in {', '.join(FORMATS)}.")
    if not path.absolute().parent.is_dir() or path.is_dir():
        raise RecordError(f"Cannot record to '{path}': the folder for it doesn't exist, or it is a folder itself.")
    return kind


def _reason(error: Exception) -> str:
    if isinstance(error, sf.LibsndfileError):
        return str(error.error_string).rstrip(".")
    return str(getattr(error, "strerror", None) or error).rstrip(".")
