"""How a benchmark ends before its result: at a signal, at its time limit, or with an error."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.plays

TIMEOUT_S = 60.0
PROGRESS = "block 100"  # the second run of `report`: the figures of the first are there


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Start a benchmark."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks", *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def descendants_at(process: subprocess.Popen[str], text: str) -> list[psutil.Process]:
    """Wait until a benchmark reports a text and JACK runs, and return all its descendants."""
    assert process.stderr is not None
    assert any(text in line for line in process.stderr), "the benchmark ended before it got there"
    until = time.monotonic() + TIMEOUT_S
    while time.monotonic() < until:
        found = psutil.Process(process.pid).children(recursive=True)
        if any(child.name() == "jackd" for child in found) and len(found) > 3:
            return list(found)
        time.sleep(0.05)
    raise AssertionError("JACK never started")


def left_of(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those that still run."""
    left = []
    for each in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if each.is_running() and each.status() != psutil.STATUS_ZOMBIE:
                left.append(each)
    return left


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_processes_and_prints_the_figures_so_far(number: signal.Signals) -> None:
    with started("report", "--json", TRIALS="10") as process:
        children = descendants_at(process, PROGRESS)
        process.send_signal(number)
        printed, _ = process.communicate(timeout=TIMEOUT_S)
    assert left_of(children) == []
    assert process.returncode == 128 + number
    result = json.loads(printed)
    assert [run["block"] for run in result["runs"]] == [64]
    assert number.name in result["ended"]


def test_a_time_limit_ends_all_processes_and_leaves_no_files(tmp_path: Path) -> None:
    seen: dict[int, psutil.Process] = {}
    with started("soak", "--json", "--limit", "6", SOAK_SECONDS="600", TMPDIR=str(tmp_path)) as process:
        until = time.monotonic() + TIMEOUT_S
        while process.poll() is None and time.monotonic() < until:
            seen |= {child.pid: child for child in psutil.Process(process.pid).children(recursive=True)}
            time.sleep(0.05)
        printed, _ = process.communicate(timeout=TIMEOUT_S)
    assert seen
    assert left_of(list(seen.values())) == []
    assert process.returncode == 1
    assert "time limit of 6 s" in json.loads(printed)["ended"]
    assert list(tmp_path.iterdir()) == []


def test_a_benchmark_that_fails_says_why() -> None:
    with started("stitch", "--quick", "--json", STITCH_MODELS="nowhere.onnx") as process:
        printed, progress = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 1
    assert "nowhere.onnx" in json.loads(printed)["ended"]
    assert "nowhere.onnx" in progress


def test_an_unknown_benchmark_is_answered_with_those_that_there_are() -> None:
    with started("nothing") as process:
        printed, error = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 2
    assert printed == ""
    assert "There is no benchmark nothing" in error
    assert "callback" in error


def test_the_list_states_what_each_benchmark_measures_and_how_long_it_takes() -> None:
    with started("--list") as process:
        printed, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0
    line = next(line for line in printed.splitlines() if line.startswith("callback "))
    assert "24 s" in line
    assert "Python thread" in line
