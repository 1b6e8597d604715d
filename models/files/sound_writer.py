"""A sound file that is written whole or not at all."""

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

CLIPPING = ("FLOAT", "DOUBLE")  # what is kept in any other way is clipped at full scale


@contextlib.contextmanager
def written(path: Path, rate: int, channels: int, subtype: str | None = None) -> Iterator[SoundFileWriter]:
    """Write a sound file, whole or not at all; one that is there already is replaced.

    Raises
    ------
    RecordError
        Its name is none for a sound, or it cannot be written.
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
    """Refuse a name that no sound can be written under, and one that is taken.

    Raises
    ------
    GlitchError
        Says why.
    """
    check_path(path, "write")
    if path.exists() and not force:
        raise GlitchError(f"{path} is there already; give another name, or --force to replace it.")


def subtype_like(path: Path, subtype: str) -> str:
    """Say how a file keeps its samples, by its name's ending, so that nothing of those of another subtype is lost."""
    name, usual = FORMATS[path.suffix.lower()]
    known = subtype in SAMPLE_BYTES and soundfile.check_format(name, subtype)
    return subtype if known else usual
