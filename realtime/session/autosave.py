"""The thread that keeps a session file up to date."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

from export.errors import GlitchError
from realtime.session.session_file import SessionFile, backup, is_scratch, replace_file, write

EVERY_S = 2.0  # at most so often a file is written
PATIENCE_S = 10.0  # that a disk is waited for at the end


class Autosave:
    """Writes a session file a moment after something has changed, and when it is closed; from a thread of its own.

    Make it when everything plays that the file speaks of: it writes what it finds. What was in the file until then is
    kept beside it, with a `~` after its name.

    Parameters
    ----------
    path
        The file. Whatever else writes there is written over.
    collect
        Gives what is to be written; called from the thread. None where there is nothing to be kept.
    say
        Called with a sentence when the file cannot be written, once until it can be again.
    every_s
        The shortest time between two writes.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        collect: Callable[[], SessionFile | None],
        say: Callable[[str], None],
        *,
        every_s: float = EVERY_S,
    ) -> None:
        self._path, self._collect, self._say, self._every_s = Path(path), collect, say, every_s
        self._touched, self._closing = threading.Event(), threading.Event()
        self._failing = False
        self._sweep()
        self._keep_what_is_there()
        self._thread = threading.Thread(target=self._run, name="autosave", daemon=True)
        self._thread.start()

    def touch(self) -> None:
        """Say that something has changed. Takes no time."""
        self._touched.set()

    def close(self) -> None:
        """Write for the last time, and end. May be called twice; a disk that hangs is not waited for for ever."""
        self._closing.set()
        self._touched.set()
        self._thread.join(PATIENCE_S)
        if self._thread.is_alive():
            self._say(f"The session {self._path} was not written to the end: its disk doesn't answer.")

    def _run(self) -> None:
        while not self._closing.is_set():
            self._touched.wait()
            if self._closing.is_set():
                break
            self._touched.clear()
            if not self._write():
                self._touched.set()  # until it works
            self._closing.wait(self._every_s)
        self._write()

    def _write(self) -> bool:
        """Write what there is now, and say if that begins to fail or ends failing; give whether it worked."""
        try:
            file = self._collect()
            if file is not None:
                write(self._path, file)
        except Exception as error:  # whatever it is, the sound goes on
            if not self._failing:
                self._failing = True
                sentence = error if isinstance(error, GlitchError) else f"The session cannot be written: {error!r}."
                self._say(f"{sentence} It is tried again until it can be.")
            return False
        if self._failing:
            self._failing = False
            self._say(f"The session {self._path} is written again.")
        return True

    def _sweep(self) -> None:
        """Remove what a program that was killed had begun to write."""
        real = Path(os.path.realpath(self._path))
        with contextlib.suppress(OSError):
            for left in [one for one in real.parent.iterdir() if is_scratch(one, real)]:
                left.unlink()

    def _keep_what_is_there(self) -> None:
        there = backup(self._path)
        try:
            replace_file(there, self._path.read_bytes())
        except FileNotFoundError:
            return  # a new session
        except OSError as error:
            self._say(f"The session of before cannot be kept as {there}: {error.strerror or error}.")
