"""Atomic writing of sound files."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import soundfile

from export.errors import GlitchError
from realtime.takes.recorder import RecordError, check_path
from realtime.takes.soundfile_writer import FORMATS, SAMPLE_BYTES, SoundFileWriter

CLIPPING = ("FLOAT", "DOUBLE")  # all other sample formats clip at full scale


@contextlib.contextmanager
def written(path: Path, rate: int, channels: int, subtype: str | None = None) -> Iterator[SoundFileWriter]:
    """Write a sound file completely or not at all; an existing one is replaced.

    Parameters
    ----------
    path
        File; its suffix selects the format.
    rate, channels
        Sample rate (Hz) and channel count.
    subtype
        Sample format, as named by libsndfile. Default: that of recordings.

    Yields
    ------
    file : SoundFileWriter
        The open file.

    Raises
    ------
    RecordError
        The name isn't that of a sound file, or the file cannot be written.
    """
    check_path(path)
    scratch = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        file = SoundFileWriter(scratch, rate, channels, subtype)
        try:
            yield file
        finally:
            file.close()
        os.replace(scratch, path)
    except OSError as error:
        raise RecordError(
            f"Cannot write {path}: {error.strerror or error}; free some space, or choose another place."
        ) from None
    finally:
        scratch.unlink(missing_ok=True)


def check_new(path: Path, *, force: bool) -> None:
    """Check that a sound can be written to a path that isn't taken, or with `force` may be replaced.

    Raises
    ------
    GlitchError
        The path is unsuitable or taken.
    """
    check_path(path, "write")
    if path.exists() and not force:
        raise GlitchError(f"{path} is there already; give another name, or --force to replace it.")


def subtype_like(path: Path, subtype: str) -> str:
    """Return the sample format for a path's suffix: `subtype` if the format supports it, else the usual one."""
    name, usual = FORMATS[path.suffix.lower()]
    known = subtype in SAMPLE_BYTES and soundfile.check_format(name, subtype)
    return subtype if known else usual
