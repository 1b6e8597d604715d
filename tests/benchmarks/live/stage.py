"""stage: underruns in minutes of playing the bundled model with 200 OSC messages a second.

`{"runs": [{"seconds", "underruns", "device_underruns", "silent_device_underruns", "messages", "load"}]}`: three runs of
`STAGE_SECONDS` (default 60) on JACK's dummy driver, 48 kHz in blocks of 64 frames. `underruns` are the decks' (a hop
that came too late). `device_underruns` were reported by PortAudio to the session, `silent_device_underruns` in the same
time to a stream that plays silence: the machine's own.
"""

from __future__ import annotations

import time

import numpy as np

from tests.benchmarks.support.job import Figures, Job
from tests.benchmarks.support.message_flow import OscSender
from tests.benchmarks.support.silent_stream import SilentStream
from tests.jack import JackServer

QUICK_S, FULL_S = 9, 200
LENGTHS = ("STAGE_SECONDS",)
RATE, BLOCK = 48_000, 64
RUNS, SECONDS, QUICK_SECONDS, MESSAGES_PER_S = 3, 60.0, 2.0, 200
PROGRESS_S = 5.0


def run(job: Job) -> Figures:
    """Run three times, or once in the quick form, each in a process of its own."""
    runs: list[Figures] = []
    seconds = job.number("STAGE_SECONDS", quick=QUICK_SECONDS, full=SECONDS)
    with JackServer(rate=RATE, block=BLOCK) as server:
        for k in range(job.choose(1, RUNS)):
            job.progress(f"run {k + 1}")
            runs.append(job.in_process(measure, seconds, environment=server.environment))
            job.partial({"runs": runs})
    return {"runs": runs}


def describe(result: Figures) -> str:
    """Return a line for each run."""
    return "\n".join(
        f"{r['seconds']:.0f} s, {r['messages']} messages: {r['underruns']} underruns, {r['device_underruns']} "
        f"of the device ({r['silent_device_underruns']} of a silent stream beside it), load {100 * r['load']:.0f} %"
        for r in result["runs"]
    )


def measure(job: Job, seconds: float) -> Figures:
    """Play for a while under OSC, beside a silent stream."""
    from realtime import Session
    from realtime.library.library import bundled_model

    rng = np.random.default_rng(0)
    with Session(bundled_model(), osc=("127.0.0.1", 0)) as session, SilentStream() as silence:
        sender = OscSender(session)
        before = session.status()
        silence.begin()
        began = time.perf_counter()
        sent, reported = 0, 0.0
        while (now := time.perf_counter() - began) < seconds:
            if now - reported > PROGRESS_S:
                job.progress(f"playing, {now:.0f} s of {seconds:.0f} s")
                reported = now
            if sent < now * MESSAGES_PER_S:
                sender.send(f"/latent/{1 + sent % session.card.latent.size}", float(rng.normal()))
                sent += 1
            else:
                time.sleep(1e-3)
        time.sleep(0.1)
        status, silent = session.status(), silence.since()
        sender.close()
    return {
        "seconds": round(now, 1),
        "underruns": status.underruns - before.underruns,
        "device_underruns": status.device_underruns - before.device_underruns,
        "silent_device_underruns": silent,
        "messages": status.osc_messages - before.osc_messages,
        "load": round(status.load, 3),
    }
