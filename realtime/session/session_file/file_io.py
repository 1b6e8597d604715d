"""Reading a session file, and replacing it as a whole: it is complete whenever the program or the machine dies."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

from realtime.session.session_file.document import SessionFile, SessionFileError, from_json, to_json

SCRATCH = ".scratch"  # the end of the names of files that are being written


def read(path: str | os.PathLike[str]) -> SessionFile:
    """Read a session file.

    Returns
    -------
    SessionFile
        Its contents, as from `from_json`.

    Raises
    ------
    SessionFileError
        It is missing, isn't a session file or is one of a later format, or an entry is invalid, which is named.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SessionFileError(f"There is no session {path}; check the path.") from None
    except OSError as error:
        raise SessionFileError(f"The session {path} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise SessionFileError(f"{path} is no session file: it is no text.") from None
    try:
        return from_json(text)
    except SessionFileError as error:
        before = backup(path)
        hint = f" The contents from before are in {before.name}." if before.exists() else ""
        raise SessionFileError(f"The session {path} cannot be used: {error}{hint}") from None


def write(path: str | os.PathLike[str], file: SessionFile) -> None:
    """Write a session file: all of it, or nothing. It keeps its permissions, and a link stays a link.

    Raises
    ------
    SessionFileError
        It cannot be written; the contents from before are still there.
    """
    data = to_json(file).encode("ascii")
    try:
        replace_file(Path(os.path.realpath(path)), data)
    except OSError as error:
        raise SessionFileError(f"The session {path} cannot be written: {error.strerror or error}.") from None


def backup(path: Path) -> Path:
    """Return where a session file's contents from before the start are kept: beside it, through links."""
    real = Path(os.path.realpath(path))
    return real.with_name(f"{real.name}~")


def is_scratch(path: Path, of: Path) -> bool:
    """Return whether a file is an unfinished version of another."""
    return path.name.startswith(f".{of.name}.") and path.name.endswith(SCRATCH)


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file's contents, and return once they are on the disk."""
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}{SCRATCH}")
    try:
        with open(scratch, "xb") as file:
            file.write(data)
            file.flush()
            with contextlib.suppress(FileNotFoundError):
                scratch.chmod(stat.S_IMODE(path.stat().st_mode))
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the new name is on the disk when the folder is
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
