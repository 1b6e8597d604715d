"""Writing of sound files that can be read while they grow, and after the disk is full or the writer was killed.

libsndfile writes the length of a file when it closes it. Here the header is updated earlier: by libsndfile's own
command, and for FLAC by writing the number of samples at its place in the format (RFC 9639, section 8.2). Nothing waits
for the disk (no fsync): written sound survives the end of the process, but not a power failure.

libsndfile's command (`SFC_UPDATE_HEADER_NOW`) can only be reached through private attributes of soundfile, which
offers no public call for it. If a later soundfile lacks them, files are complete once they are closed.
"""

from __future__ import annotations

import contextlib
import errno
import io
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

# libsndfile's format and subtype by suffix. An RF64 file is a plain WAV until it exceeds 4 GB.
FORMATS = {
    ".wav": ("RF64", "FLOAT"),
    ".flac": ("FLAC", "PCM_24"),
    ".aiff": ("AIFF", "FLOAT"),
    ".aif": ("AIFF", "FLOAT"),
    ".caf": ("CAF", "FLOAT"),
}
MAX_AIFF_BYTES = (1 << 32) - (1 << 12)  # its sizes have 32 bits
SAMPLE_BYTES = {"PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8, "ULAW": 1, "ALAW": 1}

UPDATE_HEADER_NOW = 0x1060  # commands of libsndfile (sndfile.h)
RF64_AUTO_DOWNGRADE = 0x1210

FLAC_SYNC = b"\xff\xf8"  # begins a FLAC frame of fixed block size
# Offsets in a FLAC file, in bytes.
FLAC_BLOCK = 8  # samples in a frame, 2 bytes
FLAC_TOTAL = 18  # 8 bytes, of which the last 36 bits are the number of samples
FLAC_MD5 = 26  # 16 bytes, zeros for unknown


class SoundFileWriter:
    """A new sound file to append to.

    Parameters
    ----------
    path
        With a suffix of `FORMATS`. FLAC has 24 bits and clips at full scale; the others keep the exact samples.
    sample_rate
        In Hz.
    channels
        Of the file.
    subtype
        libsndfile's name of the sample format, one of `SAMPLE_BYTES`; None takes that of `FORMATS`.

    Attributes
    ----------
    frames : int
        Audio frames written.

    Raises
    ------
    FileExistsError
        The file exists.
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
        """Whether the file is complete and closed."""
        return self._disk.closed

    def write(self, audio: np.ndarray) -> None:
        """Append audio [shape=(frames, channels), float32].

        Raises
        ------
        OSError
            The disk is full. The file is closed then, and holds `frames`, all that fitted.
        """
        if self._format == "AIFF" and self._disk.whole + audio.nbytes > MAX_AIFF_BYTES:
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
        """Write the present length into the header; for FLAC without the encoder's current block of 4096 frames."""
        if self._format == "FLAC":
            self._write_flac_total(self._flac_frames())
        else:
            _command(self._sound, UPDATE_HEADER_NOW)
        self._check()

    def close(self) -> None:
        """Complete the file.

        Raises
        ------
        OSError
            The disk is full. The file is closed nevertheless, and holds `frames`.
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
        """End the file after the last frame that fitted."""
        if self._format == "FLAC":
            with contextlib.suppress(sf.LibsndfileError):
                self._sound.close()
            self._disk.truncate(self._disk.whole)
            self.frames = self._flac_frames()
            self._write_flac_total(self.frames)
            self._disk.put(FLAC_MD5, bytes(16))
            return
        self.frames = (self._disk.seek(0, io.SEEK_END) - self._begin) // self._frame_bytes
        self._disk.truncate(self._begin + self.frames * self._frame_bytes)
        with contextlib.suppress(sf.LibsndfileError):
            self._sound.close()

    def _flac_frames(self) -> int:
        return self._disk.blocks * int.from_bytes(self._disk.get(FLAC_BLOCK, 2), "big")

    def _write_flac_total(self, frames: int) -> None:
        if frames:
            rest = int.from_bytes(self._disk.get(FLAC_TOTAL, 8), "big") >> 36
            self._disk.put(FLAC_TOTAL, (rest << 36 | frames).to_bytes(8, "big"))


class _Disk(io.FileIO):
    """The file below libsndfile. It keeps the first error, which libsndfile drops, and appends nothing after it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "xb+")
        self.error: OSError | None = None
        self.whole = 0  # offset of the end of the last write that was complete
        self.blocks = 0  # FLAC frames written

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
        """Read bytes, and restore the position."""
        here = self.tell()
        self.seek(at)
        data = self.read(size)
        self.seek(here)
        return data

    def put(self, at: int, data: bytes) -> None:
        """Overwrite bytes, and restore the position."""
        here = self.tell()
        self.seek(at)
        self.write(data)
        self.seek(here)


def _command(sound: sf.SoundFile, command: int, value: int = 0) -> None:
    """Send libsndfile a command through soundfile's private handle; see the module's docstring."""
    with contextlib.suppress(AttributeError, TypeError):
        sf._snd.sf_command(sound._file, command, sf._ffi.NULL, value)
