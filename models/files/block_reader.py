"""Reading of sound files of any sample rate, channel count and length, block by block."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from models.files.errors import DataError
from realtime.dsp.resampler import Resampler

BLOCK = 1 << 16  # samples read at once

Audio = NDArray[np.float32]


class SoundFile:
    """An open sound file. Samples beyond its end and non-finite samples read as silence.

    Parameters
    ----------
    path
        Any file that libsndfile reads: WAV, FLAC, AIFF, OGG, MP3.
    empty
        Whether an empty sound is accepted.

    Attributes
    ----------
    rate, channels, frames : int
        Sample rate (Hz), channels and audio frames.
    subtype : str
        Sample format, as named by libsndfile.

    Raises
    ------
    DataError
        The file is missing, isn't a sound, or is empty.
    """

    def __init__(self, path: str | os.PathLike[str], *, empty: bool = False) -> None:
        self._path = path
        if not os.path.exists(path):
            raise DataError(f"There is no sound file {path}; check its name and folder.")
        if not os.path.getsize(path) and os.path.isfile(path):
            raise DataError(f"The file {path} is empty; give one that holds sound.")
        try:
            self._file = soundfile.SoundFile(os.fspath(path))
        except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
            raise DataError(f"Cannot read the sound {path}: {str(error).rstrip('.')}.") from None
        self.rate, self.channels, self.frames = self._file.samplerate, self._file.channels, self._file.frames
        self.subtype = str(self._file.subtype)
        if not self.frames and not empty:
            self._file.close()
            raise DataError(f"The sound {path} is empty; give one that lasts for some time.")

    def read(self, count: int) -> Audio:
        """Read the next samples.

        Returns
        -------
        audio : np.ndarray [shape=(channels, count)]
            float32.

        Raises
        ------
        DataError
            The file is damaged at this point.
        """
        try:
            audio = self._file.read(count, "float32", always_2d=True, fill_value=0.0)
        except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
            raise DataError(f"Cannot read the sound {self._path} to its end: {str(error).rstrip('.')}.") from None
        return np.ascontiguousarray(np.nan_to_num(audio, nan=0.0, posinf=0.0, neginf=0.0).T)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def mono(path: str | os.PathLike[str], rate: int) -> Iterator[Audio]:
    """Read a file as mono at a sample rate.

    Sample `k` is at the time `k / rate`, whatever the file's own rate.

    Yields
    ------
    audio : np.ndarray [shape=(samples,)]
        Consecutive blocks, from the first sample to the last.
    """
    with SoundFile(path) as file:
        resampler = Resampler(file.rate, rate, 1) if file.rate != rate else None
        left, given = file.frames, 0
        while left > 0:
            count = min(BLOCK, left)
            left -= count
            audio = file.read(count).mean(axis=0, keepdims=True)  # [1, count]
            if resampler is not None:
                audio = resampler.push(audio)
            given += audio.shape[1]
            yield audio[0]
        if resampler is not None:
            wanted = -(-file.frames * rate // file.rate)
            late = np.zeros((1, -(-resampler.delay * file.rate // rate) + 1), np.float32)
            yield resampler.push(late)[0][: max(wanted - given, 0)]
