"""A sound file that can be read while it grows, and when the disk fills or its writer is killed.

libsndfile says how long a file is when it closes it. Here the header is brought up to date on the way: by libsndfile
where it can, and for FLAC by writing the number of samples where the format keeps it (RFC 9639, section 8.2). Nothing
waits for the disk (no fsync): what was written survives the death of the process, though not that of the machine.
"""

from __future__ import annotations

import contextlib
import errno
import io
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

# libsndfile's format and subtype by the name's ending. RF64 is a plain WAV until it needs more than 4 GB.
FORMATS = {
    ".wav": ("RF64", "FLOAT"),
    ".flac": ("FLAC", "PCM_24"),
    ".aiff": ("AIFF", "FLOAT"),
    ".aif": ("AIFF", "FLOAT"),
    ".caf": ("CAF", "FLOAT"),
}
AIFF_BYTES = (1 << 32) - (1 << 12)  # its sizes have 32 bits
SAMPLE_BYTES = {"PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8, "ULAW": 1, "ALAW": 1}

UPDATE_HEADER_NOW = 0x1060
RF64_AUTO_DOWNGRADE = 0x1210

FLAC_SYNC = b"\xff\xf8"  # a frame of fixed size begins
FLAC_BLOCK = 8  # where in the file: samples in a frame, 2 bytes
FLAC_TOTAL = 18  # 8 bytes, of which the last 36 bits are the number of samples
FLAC_MD5 = 26  # 16 bytes, zeros for unknown


class SoundFileWriter:
    """A new sound file to append to.

    Parameters
    ----------
    path
        A name with an ending of `FORMATS`. FLAC has 24 bits and clips at full scale; the others keep the very samples.
    sample_rate
        In Hz.
    channels
        How many.
    subtype
        How samples are kept, as libsndfile calls it: one of `SAMPLE_BYTES`, and what FLAC can hold. None takes that of
        `FORMATS`.

    Raises
    ------
    FileExistsError
        There is a file of that name.
    OSError
        It cannot be made.
    """

    def __init__(self, path: Path, sample_rate: int, channels: int, subtype: str | None = None) -> None:
        self.path = path
        self._format, usual = FORMATS[path.suffix.lower()]
        subtype = subtype or usual
        self._frame_bytes = channels * SAMPLE_BYTES.get(subtype, 1)
        self.frames = 0
        self._disk = _Disk(path)
        try:
            self._sound = sf.SoundFile(self._disk, "w", sample_rate, channels, subtype, format=self._format)
        except (sf.LibsndfileError, TypeError, ValueError) as error:
            self._disk.close()
            path.unlink()
            raise self._disk.error or OSError(errno.EINVAL, str(error)) from None
        _command(self._sound, RF64_AUTO_DOWNGRADE, 1)
        _command(self._sound, UPDATE_HEADER_NOW)
        self._begin = self._disk.whole
        try:
            self._check()
        except OSError:
            path.unlink()
            raise

    @property
    def closed(self) -> bool:
        """Whether it is complete."""
        return self._disk.closed

    def write(self, audio: np.ndarray) -> None:
        """Append audio [shape=(frames, channels), float32].

        Raises
        ------
        OSError
            There is no room for it. The file is closed then, and holds `frames`: all that found room.
        """
        if self._format == "AIFF" and self._disk.whole + audio.nbytes > AIFF_BYTES:
            self.close()
            raise OSError(errno.EFBIG, "An AIFF file holds no more than 4 GB")
        if self._format == "FLAC":
            audio = np.nan_to_num(audio, nan=0.0, posinf=1.0, neginf=-1.0)
        try:
            self._sound.write(audio)
            self.frames += len(audio)
        except (sf.LibsndfileError, AssertionError) as error:
            self._disk.error = self._disk.error or OSError(errno.EIO, str(error) or "libsndfile wrote only a part")
        self._check()

    def update(self) -> None:
        """Let the file say how long it is. FLAC lags behind by the block that its encoder is at, 4096 frames."""
        if self._format == "FLAC":
            self._tell_flac(self._flac_frames())
        else:
            _command(self._sound, UPDATE_HEADER_NOW)
        self._check()

    def close(self) -> None:
        """Complete the file.

        Raises
        ------
        OSError
            There was no room for the rest of it. It is closed all the same, and holds `frames`.
        """
        if self.closed:
            return
        with contextlib.suppress(sf.LibsndfileError):
            self._sound.close()
        self._check()
        self._disk.close()

    def _check(self) -> None:
        error = self._disk.error
        if error is None or self.closed:
            return
        try:
            self._cut()
        finally:
            self._disk.close()
        raise error

    def _cut(self) -> None:
        """End the file with the last frame that found room."""
        if self._format == "FLAC":
            with contextlib.suppress(sf.LibsndfileError):
                self._sound.close()
            self._disk.truncate(self._disk.whole)
            self.frames = self._flac_frames()
            self._tell_flac(self.frames)
            self._disk.put(FLAC_MD5, bytes(16))
            return
        self.frames = (self._disk.seek(0, io.SEEK_END) - self._begin) // self._frame_bytes
        self._disk.truncate(self._begin + self.frames * self._frame_bytes)
        with contextlib.suppress(sf.LibsndfileError):
            self._sound.close()

    def _flac_frames(self) -> int:
        return self._disk.blocks * int.from_bytes(self._disk.get(FLAC_BLOCK, 2), "big")

    def _tell_flac(self, frames: int) -> None:
        if frames:
            rest = int.from_bytes(self._disk.get(FLAC_TOTAL, 8), "big") >> 36
            self._disk.put(FLAC_TOTAL, (rest << 36 | frames).to_bytes(8, "big"))


class _Disk(io.FileIO):
    """The bytes under libsndfile. Keeps the first error, which libsndfile swallows, and appends nothing after it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "xb+")
        self.error: OSError | None = None
        self.whole = 0  # where the last piece ends that was written wholly
        self.blocks = 0  # of FLAC

    def write(self, data: Any, /) -> int:
        if self.error is not None and self.tell() >= self.whole:
            return 0
        done = 0
        try:
            while done < len(data):
                done += super().write(data[done:])
        except OSError as error:
            self.error = self.error or error
            return done
        self.whole = max(self.whole, self.tell())
        self.blocks += data[:2] == FLAC_SYNC
        return done

    def get(self, at: int, size: int) -> bytes:
        """Read bytes without moving."""
        here = self.tell()
        self.seek(at)
        data = self.read(size)
        self.seek(here)
        return data

    def put(self, at: int, data: bytes) -> None:
        """Write bytes over others without moving."""
        here = self.tell()
        self.seek(at)
        self.write(data)
        self.seek(here)


def _command(sound: sf.SoundFile, command: int, value: int = 0) -> None:
    """Give libsndfile a command that soundfile has no name for. Without it, a file can be read once it is closed."""
    with contextlib.suppress(AttributeError, TypeError):
        sf._snd.sf_command(sound._file, command, sf._ffi.NULL, value)
