"""Recordings and takes that start and end while the session plays: `/record` and `/take`, into the takes folder."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from export.errors import GlitchError
from realtime.ipc.memory_layout import LETTERS
from realtime.ipc.segments import Segment
from realtime.ipc.user_folders import data_folder
from realtime.session.controls.parameters import Parameters
from realtime.session.stage_clock import StageClock
from realtime.takes.journal import Journal
from realtime.takes.recorder import Recorder, RecordError, check_folder, recording_path, timestamped_path

TAKE = ".take"


@dataclass(frozen=True)
class RunningTake:
    """A take that has begun.

    Attributes
    ----------
    destination
        Its file, or the time after which a file in the takes folder is named.
    begin
        The sample position of its first sample.
    """

    destination: Path | datetime
    begin: int


class Recordings:
    """The recording and the take that are running.

    Parameters
    ----------
    folder
        The takes folder; it is made when it is needed.
    segment
        The stream's shared memory, whose histories are recorded.
    journal
        Contains the events of takes.
    clock, parameters
        Positions, and the values of `/record…` and `/take`.
    errands
        Runs what takes time, one thing after the other.
    notify
        Called with a sentence for the player.

    Attributes
    ----------
    recorder : Recorder or None
        The recording that is running, or ran last.
    running : bool
        Whether a recording is running.
    """

    def __init__(
        self,
        folder: Path,
        segment: Segment,
        journal: Journal,
        clock: StageClock,
        parameters: Parameters,
        errands: Executor,
        *,
        notify: Callable[[str], None],
    ) -> None:
        self._folder, self._segment, self._journal = folder, segment, journal
        self._clock, self._parameters, self._errands, self._notify = clock, parameters, errands, notify
        self._lock = threading.Lock()
        self._take: RunningTake | None = None
        self._reported = ""
        self.recorder: Recorder | None = None
        self.running = False

    def start(self, path: Path, begin: int, frames: int | None = None) -> Recorder:
        """Record to a file, from a sample position on.

        Parameters
        ----------
        path
            The audio file.
        begin
            Sample position on the clock.
        frames
            The number of audio frames. Default: until it is ended.

        Returns
        -------
        Recorder
            The recording, which is running; also kept as `recorder`.

        Raises
        ------
        RecordError
            The file cannot be written, or a recording is running.
        """
        parts = ["output"]
        if self._parameters.get("/record/input") and self._segment.geometry.inputs:
            parts.append("input")
        if self._parameters.get("/record/stems"):
            parts += LETTERS
        with self._lock:
            if self.running:
                raise RecordError("A recording is running; end it first (/record 0).")
            self.recorder = Recorder(path, self._segment, frames, parts=parts)
            self.recorder.start(begin)
            self.running = True
        return self.recorder

    def record(self, on: bool) -> None:
        """Start a recording that is named after the time, or end it: the action of `/record`."""
        self._errands.submit(self._begin, None, self._clock.now) if on else self._errands.submit(self._end)

    def record_as(self, name: str) -> None:
        """Start a recording under a name in the takes folder.

        Raises
        ------
        RecordError
            The name isn't valid for a file there, or the folder cannot be made.
        """
        recording_path(make_folder(self._folder), name)
        self._errands.submit(self._begin, name, self._clock.now)

    def take(self, on: bool) -> None:
        """Start a take, or end it and write it: the action of `/take`."""
        if on and self._take is None:
            try:
                if self._journal.error:
                    raise RecordError(self._journal.error)
                make_folder(self._folder)
                self._take = RunningTake(datetime.now(), self._clock.now)
            except RecordError as error:
                self._notify(str(error))
                self._parameters.show("/take", 0.0)
        elif not on and self._take is not None:
            take, self._take = self._take, None
            self._errands.submit(self._write_take, take, self._clock.now, self._clock.sample_rate)

    def take_to(self, path: Path, begin: int) -> None:
        """Start a take that is written to a given file."""
        self._take = RunningTake(path, begin)

    def interrupt(self, at: int, why: str) -> None:
        """End everything at a sample position, since the device goes on at another sample rate."""
        if self._take is not None:
            take, self._take = self._take, None
            self._parameters.show("/take", 0.0)
            self._errands.submit(self._write_take, take, at, self._clock.sample_rate)
        self._errands.submit(self._end, at, why)
        self._errands.submit(self._journal.stop_input)
        self._errands.submit(self._journal.stop_because, why)

    def tend(self) -> None:
        """End a recording that has failed, and report it. Never waits."""
        recorder = self.recorder
        if recorder is None or not self.running:
            return
        if recorder.error and recorder.error != self._reported:
            self._reported = recorder.error
            self._notify(recorder.error)
            self._errands.submit(self._end)

    def close(self) -> None:
        """End everything. The stream has stopped by now."""
        end = self._clock.now
        if self.recorder is not None and self.running:
            self.running = False
            self.recorder.close(end)
            self._report(self.recorder)
        if self._take is not None:
            take, self._take = self._take, None
            self._write_take(take, end, self._clock.sample_rate)

    def _begin(self, name: str | None, begin: int) -> None:
        try:
            folder = make_folder(self._folder)
            path = recording_path(folder, name) if name is not None else timestamped_path(folder)
            recorder = self.start(path, begin)
        except RecordError as error:
            self._notify(str(error))
            self._parameters.show("/record", float(self.running))
            return
        self._parameters.show("/record", 1.0)
        self._notify(f"Recording to {recorder.path}.")

    def _end(self, until: int | None = None, why: str = "") -> None:
        with self._lock:
            recorder, running = self.recorder, self.running
            self.running = False
        if recorder is None or not running:
            return
        recorder.close(until)
        self._parameters.show("/record", 0.0)
        self._report(recorder, f"; it ended since {why}" if why else "")

    def _report(self, recorder: Recorder, ended: str = "") -> None:
        if not recorder.error:
            names = ", ".join(str(path) for path in recorder.paths.values())
            self._notify(f"Recorded {recorder.written / recorder.rate:.2f} s to {names}{ended}.")

    def _write_take(self, take: RunningTake, end: int, rate: float) -> None:
        """Write a take; if that fails, write it to the user's own takes folder."""
        named = take.destination
        wanted = named.parent if isinstance(named, Path) else self._folder
        for folder in dict.fromkeys((wanted, data_folder() / "takes")):
            try:
                make_folder(folder)
                path = folder / named.name if isinstance(named, Path) else timestamped_path(folder, TAKE, named)
                self._journal.take(path, take.begin, end)
                break
            except (GlitchError, OSError) as error:
                self._notify(str(error))
                if self._journal.error:  # then there is nothing to write elsewhere
                    return
        else:
            return
        lost = self._journal.lost()
        gaps = f" {lost} events found no room in it, so it cannot be rendered exactly." if lost else ""
        self._notify(f"The take of {(end - take.begin) / rate:.1f} s is in {path}.{gaps}")


def check_take(path: str | os.PathLike[str]) -> None:
    """Check that a take can be written to a file.

    Raises
    ------
    RecordError
        The name doesn't end in `.take`, the file exists already, or none can be made there.
    """
    path = Path(path)
    if path.suffix.lower() != TAKE:
        raise RecordError(f"Cannot write the take {path}: give a name that ends in {TAKE}.")
    if path.exists() or not path.absolute().parent.is_dir():
        problem = "it is there already" if path.exists() else "the folder for it doesn't exist"
        raise RecordError(f"Cannot write the take {path}: {problem}; choose another name.")
    check_folder(path.absolute().parent)


def make_folder(folder: Path) -> Path:
    """Make the takes folder if it doesn't exist, and check that files can be made in it; raises `RecordError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordError(f"Cannot make the takes folder {folder}: {error.strerror}; see --takes.") from None
    check_folder(folder)
    return folder
