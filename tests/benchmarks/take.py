"""take: a minute's take with two decks, walks, a morph, a hot swap and 1,000 events, rendered beside its recording.

`{"seconds", "events", "largest_difference", "times_real_time", "underruns"}`: played on JACK's dummy driver, 48 kHz in
blocks of 64 frames (on the null device where there is no JACK), the bundled model on deck A and the spectral one on
deck B, which is swapped for the bundled one halfway, with walks, and a morph between two snapshots. `events` is how
many were sent by hand; `largest_difference` is between the samples of the recording and of the rendered take;
`times_real_time` is how much faster than it was played it is rendered, loading and writing included. TAKE_SECONDS sets
another length.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.jack import JackServer

RATE, BLOCK = 48_000, 64
SECONDS, EVENTS = 60.0, 1000


def run() -> dict[str, Any]:
    """Play and render in a process of its own, which JACK's server is known to."""
    with contextlib.ExitStack() as stack:
        there = shutil.which("jackd") is not None
        environment = stack.enter_context(JackServer(rate=RATE, block=BLOCK)).environment if there else dict(os.environ)
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.take", "jack" if there else "null"],
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise RuntimeError(f"the take could not be made: {(done.stderr.strip().splitlines() or ['no reason'])[-1]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def describe(result: dict[str, Any]) -> str:
    """Say it in a line."""
    return (
        f"{result['seconds']:.1f} s with {result['events']} events and {result['underruns']} underruns: rendered "
        f"{result['times_real_time']:.1f} times as fast as played, largest difference {result['largest_difference']:g}"
    )


def measure(device: str | None, seconds: float, folder: Path) -> dict[str, Any]:
    """Play, and render what was played."""
    import soundfile as sf

    from realtime import Session
    from realtime.library.library import BUNDLED, Library
    from realtime.takes.renderer import render

    recording, take, again = (folder / name for name in ("played.wav", "played.take", "again.wav"))
    with Session(device=device, blocksize=BLOCK, record=recording, take=take) as session:
        session.load("orchestra-spectral", letter="b").result()
        session.set("/crossfade", 0.5)
        session.recall.save("one")
        for letter, kind in (("a", 1), ("b", 2)):
            session.set(f"/{letter}/walk/kind", kind)
            session.set(f"/{letter}/walk/speed", 2.0)
            session.set(f"/{letter}/latent/1", 2.0)
        session.recall.save("two")
        session.recall.snapshots.set_corners("one", "two")
        rng = np.random.default_rng(0)
        latents = session.card.latent.size
        swap = None
        began = time.perf_counter()
        for k in range(EVENTS):
            time.sleep(max(began + k * seconds / EVENTS - time.perf_counter(), 0.0))
            if k % 4 == 0:
                session.set("/morph/x", k / EVENTS)
            else:
                session.set(f"/{'ab'[k % 2]}/latent/{1 + k % latents}", float(rng.normal()))
            if k == EVENTS // 2:
                swap = session.load(BUNDLED, letter="b")
        assert swap is not None
        swap.result()
        underruns = session.status().underruns
    began = time.perf_counter()
    made = render(take, again, Library())
    took = time.perf_counter() - began
    heard, rendered = (sf.read(path, dtype="float32", always_2d=True)[0] for path in (recording, again))
    if len(heard) != len(rendered) or not np.abs(heard).max() > 0.01:
        raise RuntimeError(f"{len(heard)} frames were recorded and {len(rendered)} rendered")
    return {
        "seconds": round(made.seconds, 2),
        "events": EVENTS,
        "largest_difference": float(np.abs(heard - rendered).max()),
        "times_real_time": round(made.seconds / took, 2),
        "underruns": underruns,
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        length = float(os.environ.get("TAKE_SECONDS", str(SECONDS)))
        print(json.dumps(measure("null" if sys.argv[1] == "null" else None, length, Path(scratch))))
