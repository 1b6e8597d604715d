"""take: the rendering of a minute's take beside its recording: two decks, a morph, a hot swap, 1,000 events.

`{"seconds", "events", "largest_difference", "times_real_time", "underruns", "journal": {…}}`: played on JACK's dummy
driver, 48 kHz in blocks of 64 frames (on the null device where there is no JACK), the bundled model on deck A and the
spectral one on deck B, which is swapped for the bundled one halfway, with walks, and a morph between two snapshots.
`events` is how many parameters were set; `largest_difference` is between the samples of the recording and of the
rendered take; `times_real_time` is the take's duration over the time that rendering it takes, loading and writing
included. `TAKE_SECONDS` sets another length.

``journal`` is about the log of events alone, without sound. A deck's log is filled in real time with 20,000 events a
second (`flow_per_s` is the rate reached) while a take is written: `flow_lost` of `flow_events` were lost. Then full
logs are drained as fast as the journal takes them: `events_per_s`. `plain_file_per_s` is the same number of bytes,
prepared in advance, written to a buffered file and flushed; `cost_ratio` is the time of the journal over that of the
file, median of the rounds.
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

QUICK_S, FULL_S = 13, 100
LENGTHS = ("TAKE_SECONDS",)
RATE, BLOCK = 48_000, 64
SECONDS, EVENTS = 60.0, 1000
QUICK_SECONDS, QUICK_EVENTS = 3.0, 60
FLOW_SECONDS, QUICK_FLOW_SECONDS = 10.0, 0.5
JOURNAL_ROUNDS, QUICK_JOURNAL_ROUNDS = 100, 5
PROGRESS_EVENTS = 50


def run(job: Job) -> Figures:
    """Play and render in a process of its own, which is JACK's client; then fill a journal in another one."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        there = shutil.which("jackd") is not None
        environment = stack.enter_context(JackServer(rate=RATE, block=BLOCK)).environment if there else dict(os.environ)
        result = job.in_process(measure, None if there else "null", folder, environment=environment)
    job.partial(result)
    job.progress("filling a journal")
    return result | {"journal": job.in_process(fill_journal)}


def describe(result: Figures) -> str:
    """Return the speed, the difference, and the rates of the journal."""
    journal = result["journal"]
    return (
        f"{result['seconds']:.1f} s with {result['events']} events and {result['underruns']} underruns: rendered "
        f"{result['times_real_time']:.1f} times as fast as played, largest difference {result['largest_difference']:g}"
        f"\njournal: {journal['flow_lost']} of {journal['flow_events']} lost at {journal['flow_per_s']} a second, "
        f"at full speed {journal['events_per_s']} a second, a plain file {journal['plain_file_per_s']} "
        f"({journal['cost_ratio']:.1f} times the time)"
    )


def fill_journal(job: Job) -> Figures:
    """Measure the journal by itself."""
    from tests.benchmarks.support.journal_flow import measure_journal

    seconds = job.choose(QUICK_FLOW_SECONDS, FLOW_SECONDS)
    return measure_journal(seconds, job.choose(QUICK_JOURNAL_ROUNDS, JOURNAL_ROUNDS))


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
