"""The thread that keeps a session file up to date."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

from export.errors import GlitchError
from realtime.session.session_file.document import SessionFile
from realtime.session.session_file.file_io import backup, is_scratch, replace_file, write

INTERVAL_S = 2.0
CLOSE_TIMEOUT_S = 10.0


class Autosave:
    """Writes a session file shortly after a change, and when it is closed, in a thread of its own.

    Create it once everything is restored, since it overwrites the file with the current contents. The contents from
    before are kept beside it, with a `~` after the name.

    Parameters
    ----------
    path
        The file; anything that others write to it is overwritten.
    collect
        Returns the contents to write, or None to write nothing; called in the thread.
    notify
        Called with a sentence when the file cannot be written, and when it can be again.
    interval_s
        The shortest time between two writes.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        collect: Callable[[], SessionFile | None],
        notify: Callable[[str], None],
        *,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._path, self._collect, self._notify, self._interval_s = Path(path), collect, notify, interval_s
        self._touched, self._closing = threading.Event(), threading.Event()
        self._failing = False
        self._sweep()
        self._back_up()
        self._thread = threading.Thread(target=self._run, name="autosave", daemon=True)
        self._thread.start()

    def touch(self) -> None:
        """Announce a change. Takes no time."""
        self._touched.set()

    def close(self) -> None:
        """Write for the last time, and end, after 10 s at most if the disk hangs. May be called twice."""
        self._closing.set()
        self._touched.set()
        self._thread.join(CLOSE_TIMEOUT_S)
        if self._thread.is_alive():
            self._notify(f"The session {self._path} was not written to the end: its disk doesn't answer.")

    def _run(self) -> None:
        while not self._closing.is_set():
            self._touched.wait()
            if self._closing.is_set():
                break
            self._touched.clear()
            if not self._write():
                self._touched.set()  # try again
            self._closing.wait(self._interval_s)
        self._write()

    def _write(self) -> bool:
        """Write the current contents, report the first failure and the end of failing, and return whether it worked."""
        try:
            file = self._collect()
            if file is not None:
                write(self._path, file)
        except Exception as error:  # nothing here may end the session
            if not self._failing:
                self._failing = True
                sentence = error if isinstance(error, GlitchError) else f"The session cannot be written: {error!r}."
                self._notify(f"{sentence} It is tried again until it can be.")
            return False
        if self._failing:
            self._failing = False
            self._notify(f"The session {self._path} is written again.")
        return True

    def _sweep(self) -> None:
        """Remove the unfinished files of a program that was killed."""
        real = Path(os.path.realpath(self._path))
        with contextlib.suppress(OSError):
            for left in [one for one in real.parent.iterdir() if is_scratch(one, real)]:
                left.unlink()

    def _back_up(self) -> None:
        copy = backup(self._path)
        try:
            replace_file(copy, self._path.read_bytes())
        except FileNotFoundError:
            return  # a new session
        except OSError as error:
            self._notify(f"The session of before cannot be kept as {copy}: {error.strerror or error}.")
