"""startup: from the command to the first sample that isn't silence, with compiled code to make and with it cached.

`{"cold_s", "warm_s", "resident_mb"}`: `glitch-live --headless` on the null device with the bundled model, as a player
starts it. Cold is with an empty cache of compiled code (NUMBA_CACHE_DIR), as after an installation; warm is the median
of five further starts. `resident_mb` is what host, deck and device process hold together once they play (proportional
set size where the system tells it).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

from export.errors import GlitchError
from realtime.ipc.registry import registry_folder
from realtime.ipc.segments import Segment

STARTS = 5
TIMEOUT_S = 120.0


def run() -> dict[str, Any]:
    """Start the command once cold and five times warm."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
        cold, _ = _start(environment)
        warm, sizes = zip(*(_start(environment) for _ in range(STARTS)), strict=True)
    return {
        "cold_s": round(cold, 2),
        "warm_s": round(float(np.median(warm)), 2),
        "resident_mb": round(float(np.median(sizes)), 1),
    }


def describe(result: dict[str, Any]) -> str:
    """Say it in a line."""
    return (
        f"command to first sound: {result['warm_s']:.2f} s (the first time {result['cold_s']:.2f} s); "
        f"its processes hold {result['resident_mb']:.0f} MB"
    )


def _start(environment: dict[str, str]) -> tuple[float, float]:
    """Start, wait for sound in the output's history, measure the memory, end."""
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
    """Wait for the stream segment that a host makes first, by the note it keeps of its segments."""
    began = time.perf_counter()
    while True:
        for note in registry_folder().glob(f"{host.pid}-*"):
            with contextlib.suppress(GlitchError):  # noted, and not yet made
                for name in note.read_text().split()[:1]:
                    return Segment.attach(name)
        _still_running(host, began)
        time.sleep(1e-3)


def _still_running(host: subprocess.Popen[bytes], began: float) -> None:
    if host.poll() is not None or time.perf_counter() - began > TIMEOUT_S:
        raise RuntimeError(f"glitch-live made no sound (it ended with {host.poll()})")


def _resident_mb(pid: int) -> float:
    """Add up a process and its children."""
    import psutil

    host = psutil.Process(pid)
    members = [host, *(p for p in host.children(recursive=True) if "resource_tracker" not in " ".join(p.cmdline()))]
    infos = [p.memory_full_info() for p in members]
    return sum(getattr(info, "pss", info.rss) for info in infos) / 1e6


if __name__ == "__main__":
    print(run())
