"""Registry of segments by owner, so that those of dead sessions can be removed.

Segments are named `glitch-<pid>-<n>` and listed in a file that their owner keeps locked. The operating system releases
the lock when the process ends, however it does; the next session sweeps the segments of unlocked lists.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import IO

from export.errors import GlitchError


class SegmentRegistry:
    """The list of segments that this process owns.

    Parameters
    ----------
    folder
        Where lists are kept; None takes `registry_folder()`.

    Raises
    ------
    GlitchError
        The file cannot be locked.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or registry_folder()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._path = self._folder / f"{os.getpid()}-{secrets.token_hex(3)}"
        self._file: IO[str] = self._path.open("w")
        if not try_lock(self._file):
            raise GlitchError(f"Cannot lock {self._path}; check that the folder allows it.")

    def new_name(self) -> str:
        """Return a new name for a segment, and list it."""
        name = f"glitch-{os.getpid()}-{secrets.token_hex(4)}"
        self._file.write(name + "\n")
        self._file.flush()
        return name

    def close(self) -> None:
        """Remove the list. The segments must be closed by now."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def registry_folder() -> Path:
    """Return the folder of the lists, one for each user."""
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    return Path(tempfile.gettempdir()) / f"glitch-live-{user}"


def sweep(folder: Path | None = None) -> list[str]:
    """Remove the segments of dead sessions.

    Parameters
    ----------
    folder
        Where lists are kept; None takes `registry_folder()`.

    Returns
    -------
    names : list[str]
        The segments that were removed.
    """
    folder = folder or registry_folder()
    swept: list[str] = []
    for path in sorted(folder.glob("*-*")) if folder.is_dir() else []:
        try:
            with path.open("r+") as file:
                if not try_lock(file):
                    continue
                names = file.read().split()
        except OSError:
            continue
        swept.extend(name for name in names if _remove(name))
        path.unlink(missing_ok=True)
    return swept


def _remove(name: str) -> bool:
    with untracked():
        try:
            memory = SharedMemory(name=name)
        except (FileNotFoundError, ValueError):
            return False
        with contextlib.suppress(FileNotFoundError):
            memory.unlink()
        memory.close()
    return True


def try_lock(file: IO[str]) -> bool:
    """Lock a file until it is closed, if nobody else has locked it.

    Returns
    -------
    locked : bool
        Whether the lock was free.
    """
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
def untracked() -> Iterator[None]:
    """Keep segments from Python's resource tracker, which would remove those that other processes still use."""
    kept = resource_tracker.register, resource_tracker.unregister
    resource_tracker.register = resource_tracker.unregister = lambda *_: None
    try:
        yield
    finally:
        resource_tracker.register, resource_tracker.unregister = kept
