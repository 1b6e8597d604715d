"""Finding the model of a session file's deck again: at its path, by its name in the library, by its digest there."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from realtime.library.library import Library
from realtime.session.session_file.document import DeckEntry, SessionFileError


def find_model(entry: DeckEntry, library: Library, notify: Callable[[str], None]) -> Path | None:
    """Find the model of a deck.

    Parameters
    ----------
    notify
        Called with a sentence where the model differs or cannot be found.

    Returns
    -------
    Path or None
        None where it cannot be found, or the deck played none.
    """
    if not (entry.model or entry.path or entry.sha256):
        return None
    path = Path(entry.path)
    if entry.path and path.is_file():
        if not _is_same(path, entry):
            notify(f"{path} is another model than when the session was saved; it is played as it is now.")
        return path
    names = library.names()
    if entry.model in names:
        found = library.find(entry.model)
        if not _is_same(found, entry):
            notify(f"The library's '{entry.model}' is another model than when the session was saved; it plays instead.")
        return found
    for name in names if entry.sha256 else ():
        if _is_same(library.find(name), entry):
            notify(f"The model '{entry.model}' is called '{name}' in the library now.")
            return library.find(name)
    notify(
        f"The model '{entry.model}' is neither at {entry.path or 'its path'} nor in the library; put it into either."
    )
    return None


def sha256(path: str | os.PathLike[str]) -> str:
    """Compute the SHA-256 of a file, read in blocks.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    SessionFileError
        The file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SessionFileError(f"Cannot read {os.fspath(path)}: {error.strerror or error}.") from None


def _is_same(path: Path, entry: DeckEntry) -> bool:
    """Return whether a file has the digest of an entry, or the entry has none; False if it cannot be read."""
    with contextlib.suppress(SessionFileError):
        return not entry.sha256 or sha256(path) == entry.sha256
    return False
