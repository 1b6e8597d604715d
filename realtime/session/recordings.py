"""Recording while it plays: `/record` and `/take`, into the takes folder and nowhere else."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Executor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from export.errors import GlitchError
from realtime.ipc.folders import data_folder
from realtime.ipc.layout import LETTERS
from realtime.takes.recorder import Recorder, RecordError, check_folder, recording_path, timestamped_path

if TYPE_CHECKING:
    from realtime.session.session import Session

TAKE = ".take"


def check_take(path: str | os.PathLike[str]) -> None:
    """See that a take can be written there.

    Raises
    ------
    RecordError
        The name doesn't end in `.take`, the file is there already, or none can be made there.
    """
    path = Path(path)
    if path.suffix.lower() != TAKE:
        raise RecordError(f"Cannot write the take {path}: give a name that ends in {TAKE}.")
    if path.exists() or not path.absolute().parent.is_dir():
        problem = "it is there already" if path.exists() else "the folder for it doesn't exist"
        raise RecordError(f"Cannot write the take {path}: {problem}; choose another name.")
    check_folder(path.absolute().parent)


class Recordings:
    """What is being recorded.

    Parameters
    ----------
    folder
        The takes folder; it is made when it is needed.
    errands
        Does what takes time.

    Attributes
    ----------
    recorder : Recorder or None
        The recording that runs, or ran last.
    heard : Recorder or None
        What keeps the live input for takes.
    """

    def __init__(self, session: Session, folder: Path, errands: Executor) -> None:
        self._session, self._folder, self._errands = session, folder, errands
        self._lock = threading.Lock()
        self._taking: tuple[Path | datetime, int] | None = None  # where it goes, or what it is called by; its begin
        self._told = ""
        self.recorder: Recorder | None = None
        self.running = False

    def start(self, path: Path, begin: int, frames: int | None = None) -> Recorder:
        """Record to a file, from a sample of the clock on.

        Raises
        ------
        RecordError
            The file cannot be written.
        """
        session = self._session
        parts = ["output"]
        if session.get("/record/input") and session.segment.geometry.inputs:
            parts.append("input")
        if session.get("/record/stems"):
            parts += LETTERS
        with self._lock:
            if self.running:
                raise RecordError("A recording is running; end it first (/record 0).")
            self.recorder = Recorder(path, session.segment, frames, parts=parts)
            self.recorder.start(begin)
            self.running = True
        return self.recorder

    def record(self, on: bool) -> None:
        """Begin a recording under the time of day, or end it; what `/record` does."""
        self._errands.submit(self._begin, None, self._session.clock) if on else self._errands.submit(self._end)

    def record_as(self, name: str) -> None:
        """Begin a recording under a name in the takes folder.

        Raises
        ------
        RecordError
            The name is none that a file there can have, or the folder cannot be made.
        """
        recording_path(made(self._folder), name)
        self._errands.submit(self._begin, name, self._session.clock)

    def take(self, on: bool) -> None:
        """Begin a take, or end it and write it; what `/take` does."""
        session = self._session
        if on and self._taking is None:
            try:
                if session.journal.error:
                    raise RecordError(session.journal.error)
                made(self._folder)
                self._taking = (datetime.now(), session.clock)
            except RecordError as error:
                session.say(str(error))
                session.controls.show("/take", 0.0)
        elif not on and self._taking is not None:
            (where, begin), self._taking = self._taking, None
            self._errands.submit(self._write_take, where, begin, session.clock, session.sample_rate)

    def interrupt(self, at: int, why: str) -> None:
        """End what runs, at a sample of the clock: what comes after it has another rate."""
        session = self._session
        if self._taking is not None:
            (where, begin), self._taking = self._taking, None
            session.controls.show("/take", 0.0)
            self._errands.submit(self._write_take, where, begin, at, session.sample_rate)
        self._errands.submit(self._end, at, why)
        self._errands.submit(session.journal.stop_input)
        self._errands.submit(session.journal.stop_because, why)

    def take_to(self, path: Path, begin: int) -> None:
        """Begin a take that is written to a file of the player's own."""
        self._taking = (path, begin)

    def tend(self) -> None:
        """Say it when a recording has failed, and show what runs."""
        recorder = self.recorder
        if recorder is None or not self.running:
            return
        if recorder.error and recorder.error != self._told:
            self._told = recorder.error
            self._session.say(recorder.error)
            self._errands.submit(self._end)

    def close(self) -> None:
        """End what runs. Nothing is played any more."""
        end = self._session.clock
        if self.recorder is not None and self.running:
            self.running = False
            self.recorder.close(end)
            self._say_recorded(self.recorder)
        if self._taking is not None:
            (where, begin), self._taking = self._taking, None
            self._write_take(where, begin, end, self._session.sample_rate)

    def _begin(self, name: str | None, begin: int) -> None:
        session = self._session
        try:
            folder = made(self._folder)
            path = recording_path(folder, name) if name is not None else timestamped_path(folder)
            recorder = self.start(path, begin)
        except RecordError as error:
            session.say(str(error))
            session.controls.show("/record", float(self.running))
            return
        session.controls.show("/record", 1.0)
        session.say(f"Recording to {recorder.path}.")

    def _end(self, until: int | None = None, why: str = "") -> None:
        with self._lock:
            recorder, running = self.recorder, self.running
            self.running = False
        if recorder is None or not running:
            return
        recorder.close(until)
        session = self._session
        session.controls.show("/record", 0.0)
        self._say_recorded(recorder, f"; it ended since {why}" if why else "")

    def _say_recorded(self, recorder: Recorder, ended: str = "") -> None:
        if not recorder.error:
            names = ", ".join(str(path) for path in recorder.paths.values())
            self._session.say(f"Recorded {recorder.written / recorder.rate:.2f} s to {names}{ended}.")

    def _write_take(self, where: Path | datetime, begin: int, end: int, rate: float) -> None:
        """Write what was played; where that cannot be, among the takes that the program keeps for the player."""
        session = self._session
        wanted = where.parent if isinstance(where, Path) else self._folder
        for folder in dict.fromkeys((wanted, data_folder() / "takes")):
            try:
                made(folder)
                path = folder / where.name if isinstance(where, Path) else timestamped_path(folder, TAKE, where)
                session.journal.take(path, begin, end)
                break
            except (GlitchError, OSError) as error:
                session.say(str(error))
                if session.journal.error:  # then there is nothing to be kept elsewhere
                    return
        else:
            return
        lost = session.journal.lost()
        gaps = f" {lost} events found no room in it, so it cannot be rendered exactly." if lost else ""
        session.say(f"The take of {(end - begin) / rate:.1f} s is in {path}.{gaps}")


def made(folder: Path) -> Path:
    """Make the takes folder where it isn't there, and see that files can be made in it; raises `RecordError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordError(f"Cannot make the takes folder {folder}: {error.strerror}; see --takes.") from None
    check_folder(folder)
    return folder
