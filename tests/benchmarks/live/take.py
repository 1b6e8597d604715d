"""take: the rendering of a minute's take beside its recording: two decks, a morph, a hot swap, 1,000 events.

`{"seconds", "events", "largest_difference", "times_real_time", "underruns"}`: played on JACK's dummy driver, 48 kHz in
blocks of 64 frames (on the null device where there is no JACK), the bundled model on deck A and the spectral one on
deck B, which is swapped for the bundled one halfway, with walks, and a morph between two snapshots. `events` is how
many parameters were set; `largest_difference` is between the samples of the recording and of the rendered take;
`times_real_time` is the take's duration over the time that rendering it takes, loading and writing included.
`TAKE_SECONDS` sets another length.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.benchmarks.support.job import Figures, Job
from tests.jack import JackServer

QUICK_S, FULL_S = 12, 85
LENGTHS = ("TAKE_SECONDS",)
RATE, BLOCK = 48_000, 64
SECONDS, EVENTS = 60.0, 1000
QUICK_SECONDS, QUICK_EVENTS = 3.0, 60
PROGRESS_EVENTS = 50


def run(job: Job) -> Figures:
    """Play and render in a process of its own, which is JACK's client."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        there = shutil.which("jackd") is not None
        environment = stack.enter_context(JackServer(rate=RATE, block=BLOCK)).environment if there else dict(os.environ)
        return job.in_process(measure, None if there else "null", folder, environment=environment)


def describe(result: Figures) -> str:
    """Return the speed and the difference."""
    return (
        f"{result['seconds']:.1f} s with {result['events']} events and {result['underruns']} underruns: rendered "
        f"{result['times_real_time']:.1f} times as fast as played, largest difference {result['largest_difference']:g}"
    )


def measure(job: Job, device: str | None, folder: str) -> Figures:
    """Play a take, and render it."""
    import soundfile as sf

    from realtime import Session
    from realtime.library.library import BUNDLED, Library
    from realtime.takes.renderer import render

    seconds = job.number("TAKE_SECONDS", quick=QUICK_SECONDS, full=SECONDS)
    events = job.choose(QUICK_EVENTS, EVENTS)
    recording, take, again = (Path(folder, name) for name in ("played.wav", "played.take", "again.wav"))
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
        for k in range(events):
            if k % PROGRESS_EVENTS == 0:
                job.progress(f"playing, {k} events of {events}")
            time.sleep(max(began + k * seconds / events - time.perf_counter(), 0.0))
            if k % 4 == 0:
                session.set("/morph/x", k / events)
            else:
                session.set(f"/{'ab'[k % 2]}/latent/{1 + k % latents}", float(rng.normal()))
            if k == events // 2:
                swap = session.load(BUNDLED, letter="b")
        assert swap is not None
        swap.result()
        underruns = session.status().underruns
    job.progress("rendering")
    began = time.perf_counter()
    made = render(take, again, Library())
    took = time.perf_counter() - began
    played, rendered = (sf.read(path, dtype="float32", always_2d=True)[0] for path in (recording, again))
    if len(played) != len(rendered) or not np.abs(played).max() > 0.01:
        raise RuntimeError(f"{len(played)} frames were recorded and {len(rendered)} rendered")
    return {
        "seconds": round(made.seconds, 2),
        "events": events,
        "largest_difference": float(np.abs(played - rendered).max()),
        "times_real_time": round(made.seconds / took, 2),
        "underruns": underruns,
    }
