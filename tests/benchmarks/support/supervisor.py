"""Runs a benchmark in a process of its own, and ends it together with everything that it has started.

The process ends with its result, at a time limit, or at a signal (SIGINT, SIGTERM). In each case its descendants are
ended, its temporary files are removed, and the partial results that it has sent are kept. Decks, JACK servers and
senders run in process groups of their own, so signalling one group would not reach them all.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any, Self

import psutil

from tests.benchmarks.support import job
from tests.benchmarks.support.catalogue import Benchmark

HEARTBEAT_S = 5.0
POLL_S = 0.1
TERM_PATIENCE_S, KILL_PATIENCE_S = 3.0, 5.0
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Outcome:
    """How a run has ended.

    Attributes
    ----------
    figures
        The result, or what there was of it.
    text
        The result described; empty if it is partial.
    seconds
        How long the run took.
    failure
        Why the result is partial or missing; empty if it is complete.
    """

    figures: dict[str, Any]
    text: str
    seconds: float
    failure: str = ""


class Signals:
    """Within the context, SIGINT and SIGTERM are kept in `received`, where they would end this process."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        self.received = self.received or signal.Signals(number)

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._receive) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


@dataclass
class _Messages:
    """The messages of a job, read by a thread so that the reader can wait with a timeout."""

    pipe: IO[str]
    arrived: queue.SimpleQueue[tuple[str, Any] | None] = field(default_factory=queue.SimpleQueue)

    def start(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.pipe:
            [message] = json.loads(line).items()
            self.arrived.put(message)
        self.arrived.put(None)


def supervise(
    benchmark: Benchmark, *, quick: bool, limit_s: float, signals: Signals, progress: Callable[[str], None]
) -> Outcome:
    """Run a benchmark.

    Parameters
    ----------
    limit_s
        End the run after this many seconds.
    signals
        A signal received there ends the run.
    progress
        Takes a line of text at least every `HEARTBEAT_S`.
    """
    _adopt_orphans()
    with (
        tempfile.TemporaryDirectory(prefix="glitch-benchmark-", ignore_cleanup_errors=True) as scratch,
        Path(scratch, "stderr").open("w+", errors="replace") as errors,
    ):
        began = time.monotonic()
        process = subprocess.Popen(
            job.command(job.__name__, job.run_benchmark.__name__, quick, [benchmark.module]),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "TMPDIR": scratch},
            start_new_session=True,  # Ctrl-C reaches this process alone, which ends the others in order
        )
        assert process.stdout is not None
        messages = _Messages(process.stdout)
        messages.start()
        figures: dict[str, Any] = {}
        text = failure = activity = ""
        complete, spoke = False, began
        while True:
            now = time.monotonic()
            if signals.received is not None:
                failure = f"ended by {signals.received.name} after {now - began:.0f} s"
                break
            if now - began > limit_s:
                failure = f"ended at its time limit of {limit_s:.0f} s; --limit SECONDS sets another"
                break
            if now - spoke > HEARTBEAT_S:
                progress(_line(benchmark, quick, now - began, activity or "starting"))
                spoke = now
            try:
                message = messages.arrived.get(timeout=POLL_S)
            except queue.Empty:
                continue
            if message is None:
                break
            kind, content = message
            if kind == "progress":
                activity, spoke = content, now
                progress(_line(benchmark, quick, now - began, activity))
            elif kind == "partial":
                figures = content
            elif kind == "error":
                failure = content
            elif kind == "result":
                figures, text, complete = content["figures"], content["text"], True
        if complete:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(TERM_PATIENCE_S)
        seconds = time.monotonic() - began
        _end_children(process)
        if not complete and not failure:
            errors.seek(0)
            failure = f"its process ended: {errors.read()[-job.ERROR_CHARACTERS :].strip()}"
    return Outcome(figures, text, seconds, failure)


def _line(benchmark: Benchmark, quick: bool, seconds: float, activity: str) -> str:
    return f"{benchmark.name}: {seconds:.0f} s of about {benchmark.seconds(quick)} s, {activity}"


def _adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, where the system has that (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_children(process: subprocess.Popen[str]) -> None:
    """End all descendants of this process, politely at first."""
    known: dict[int, psutil.Process] = {}
    for ask, patience_s in ((psutil.Process.terminate, TERM_PATIENCE_S), (psutil.Process.kill, KILL_PATIENCE_S)):
        asked: set[int] = set()
        until = time.monotonic() + patience_s
        while time.monotonic() < until:
            process.poll()
            known |= {child.pid: child for child in psutil.Process().children(recursive=True)}
            alive = [child for child in known.values() if _runs(child)]
            if not alive:
                break
            for child in alive:
                if child.pid not in asked:
                    asked.add(child.pid)
                    with contextlib.suppress(psutil.NoSuchProcess):
                        ask(child)
            time.sleep(0.02)
    process.wait()
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _runs(child: psutil.Process) -> bool:
    try:
        return bool(child.is_running() and child.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
