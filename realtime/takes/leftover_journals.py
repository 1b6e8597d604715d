"""Journals that killed sessions left behind: finding, keeping and removing them."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from realtime.ipc.segment_registry import try_lock
from realtime.takes.journal import FOLDER

ANNOUNCED = "told"  # file in a journal that the performer has been notified of
MAX_EMPTY_S = 60.0  # a journal that has no deck after this time is abandoned


def left_behind(base: Path) -> list[Path]:
    """List the journals of sessions that were killed, the latest last."""
    return [folder for folder in _dead(base) if (folder / "decks.jsonl").exists()]


def sweep(base: Path) -> str:
    """Remove the journals of dead sessions, except for the last one, which the performer may still want to render.

    Parameters
    ----------
    base
        Folder of all journals.

    Returns
    -------
    notice : str
        A sentence about the last one; the next call removes it. Empty if there is none.
    """
    dead, kept = _dead(base), left_behind(base)
    last = kept[-1] if kept and not (kept[-1] / ANNOUNCED).exists() else None
    for folder in dead:
        has_deck = (folder / "decks.jsonl").exists()
        if folder != last and (
            has_deck or time.time() - _last_written(folder) > MAX_EMPTY_S
        ):  # another may be starting now
            shutil.rmtree(folder, ignore_errors=True)
    if last is None:
        return ""
    with contextlib.suppress(OSError):
        (last / ANNOUNCED).touch()
    path = f'"{last}"' if " " in str(last) else last
    return f"A session was killed; 'glitch-lab render {path} OUT.wav' renders its sound. The next start removes it."


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a journal that was left behind from being swept while it is read."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            try_lock(stack.enter_context((folder / "lock").open("r+")))
        yield


def _dead(base: Path) -> list[Path]:
    """List the journals that no process has locked, oldest first."""
    found = []
    for folder in base.glob(f"{FOLDER}*"):
        with contextlib.suppress(OSError), (folder / "lock").open("r+") as file:
            if try_lock(file):
                found.append((_last_written(folder), folder))
    return [folder for _, folder in sorted(found)]


def _last_written(folder: Path) -> float:
    """Return when the journal was last written, as Unix time in s."""
    return (folder / "clock").stat().st_mtime if (folder / "clock").exists() else folder.stat().st_mtime
