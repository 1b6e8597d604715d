"""startup: time from the command to the first sound, with compiled code to make and with it cached.

`{"cold_s", "warm_s", "resident_mb"}`: `glitch-live --headless` on the null device with the bundled model, as a player
starts it. Cold is with an empty cache of compiled code (NUMBA_CACHE_DIR), as after an installation; warm is the median
of five further starts. `resident_mb` is the memory of host, deck and device process together once they play
(proportional set size where the system has it).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
import psutil

from export.errors import GlitchError
from realtime.ipc.segment_registry import registry_folder
from realtime.ipc.segments import Segment
from tests.benchmarks.support.job import Figures, Job

QUICK_S, FULL_S = 20, 40
STARTS, QUICK_STARTS = 5, 1
TIMEOUT_S = 120.0


def run(job: Job) -> Figures:
    """Start the command once cold, then several times warm."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
        job.progress("cold start")
        cold, _ = _start(environment)
        result: Figures = {"cold_s": round(cold, 2)}
        job.partial(result)
        starts: list[tuple[float, float]] = []
        for k in range(job.choose(QUICK_STARTS, STARTS)):
            job.progress(f"warm start {k + 1}")
            starts.append(_start(environment))
            warm, size = np.median(starts, axis=0)
            result |= {"warm_s": round(float(warm), 2), "resident_mb": round(float(size), 1)}
            job.partial(result)
    return result


def describe(result: Figures) -> str:
    """Return the times and the memory."""
    return (
        f"command to first sound: {result['warm_s']:.2f} s (the first time {result['cold_s']:.2f} s); "
        f"its processes hold {result['resident_mb']:.0f} MB"
    )


def _start(environment: dict[str, str]) -> tuple[float, float]:
    """Start, wait for sound in the output's history, measure the memory, and end; return s and MB."""
    command = [sys.executable, "-m", "realtime.cli", "--headless", "--device", "null", "--osc-port", "0"]
    began = time.perf_counter()
    host = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        segment = _segment_of(host)
        history, stream = segment["history"], segment["stream"][0]
        while not np.any(history[: int(stream["clock"])]):
            _still_running(host, began)
            time.sleep(1e-3)
        took = time.perf_counter() - began
        time.sleep(1.0)
        size = _resident_mb(host.pid)
        del history, stream
        segment.close()
    finally:
        host.send_signal(signal.SIGTERM)
        host.wait(10)
    return took, size


def _segment_of(host: subprocess.Popen[bytes]) -> Segment:
    """Wait for the stream segment that a host makes first, by its entry in the registry."""
    began = time.perf_counter()
    while True:
        for note in registry_folder().glob(f"{host.pid}-*"):
            with contextlib.suppress(GlitchError):  # in the registry, and not yet made
                for name in note.read_text().split()[:1]:
                    return Segment.attach(name)
        _still_running(host, began)
        time.sleep(1e-3)


def _still_running(host: subprocess.Popen[bytes], began: float) -> None:
    if host.poll() is not None or time.perf_counter() - began > TIMEOUT_S:
        raise RuntimeError(f"glitch-live made no sound (it ended with {host.poll()})")


def _resident_mb(pid: int) -> float:
    """Add up a process and its children."""
    host = psutil.Process(pid)
    members = [host, *(p for p in host.children(recursive=True) if "resource_tracker" not in " ".join(p.cmdline()))]
    infos = [p.memory_full_info() for p in members]
    return float(sum(getattr(info, "pss", info.rss) for info in infos)) / 1e6
