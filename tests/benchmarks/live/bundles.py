"""bundles: how close to its time tag an OSC bundle changes the sound, in samples, sent 250 ms before its time.

`{"bundles", "disturbed", "within_a_hop", "median_error", "worst_error", "earliest", "latest", "hop", "block", "unseen",
"captured", "agreeing", "underruns", "device_underruns"}`: `BUNDLES` (default 500) bundles over UDP, each sent 250 ms
before its time, while 500 other messages a second arrive. The model's audio is its latent, so that the first changed
sample shows. JACK's dummy driver at 48 kHz, blocks of 64, hops of 128.

Errors are in samples, negative for early: the first changed sample in the session's history of its output, less the
sample position that the time tag means. The session maps tags to sample positions when they arrive. This benchmark does
the same with a clock that it reads continuously: of the reads within 0.1 s of the sending, it takes the one furthest
ahead. Where JACK skips blocks just then, the mapping is undefined: those bundles are `disturbed`, left out of the
errors, and sent again. `unseen` are bundles without a step. A JACK client checks that the history is the output: of the
`captured` steps, `agreeing` have the same spacing as in the history, to the sample; JACK skipped blocks between the
others.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.benchmarks.support.job import Figures, Job
from tests.benchmarks.support.message_flow import MessageFlow, OscSender
from tests.benchmarks.support.session_probe import RATE, ClockWatch, played, sample_clock, steps
from tests.jack import JackServer

QUICK_S, FULL_S = 9, 50
LENGTHS = ("BUNDLES",)
BLOCK, BUNDLES, QUICK_BUNDLES = 64, 500, 20
AHEAD_S, OTHERS_PER_S = 0.25, 500
GAP_S = (0.05, 0.08)  # between two bundles
LEVEL, STEP = 3.0, 0.2
HOP = 128
NEAR_S = 0.1


def run(job: Job) -> Figures:
    """Measure in a process of its own."""
    return job.in_process(measure)


def describe(result: Figures) -> str:
    """Return the errors."""
    return (
        f"{result['within_a_hop']} of {result['bundles']} bundles within a hop of their time; "
        f"median {result['median_error']:+.0f} samples, worst {result['worst_error']:+.0f}"
    )


def measure(job: Job) -> Figures:
    """Send bundles to a session, and find them in its output."""
    from realtime import Session
    from tests.benchmarks.support.jack_capture import Capture
    from tests.reference import level_model

    count = int(job.number("BUNDLES", quick=QUICK_BUNDLES, full=BUNDLES))
    rng = np.random.default_rng(0)
    tags: list[float] = []
    kept: list[tuple[int, np.ndarray]] = []
    with tempfile.TemporaryDirectory() as folder, JackServer(rate=RATE, block=BLOCK) as server:
        os.environ.update(server.environment)
        model = level_model(Path(folder) / "level.onnx")
        with (
            Capture(Path(folder), count * GAP_S[1] + 20.0) as capture,
            Session(model, osc=("127.0.0.1", 0)) as session,
        ):
            assert session.osc is not None
            session.set("/walk/radius", 0)
            session.set("/smoothing", 0)
            session.set("/latent/1", -LEVEL)
            time.sleep(0.5)
            capture.open()
            sender = OscSender(session)
            others = ("/latent/2", "/latent/3", "/latent/4")
            read = sample_clock(session)
            with MessageFlow("osc", session.osc.port, OTHERS_PER_S, others) as flow, ClockWatch(session) as watch:
                flow.begin()
                time.sleep(0.5)
                while (missing := count - int(np.count_nonzero(_near(watch, tags)[1]))) > 0:
                    for _ in range(missing):
                        if len(tags) % 50 == 0:
                            job.progress(f"{len(tags)} bundles sent of {count}")
                        tags.append(time.time() + AHEAD_S)
                        sender.send("/latent/1", LEVEL if len(tags) % 2 else -LEVEL, at=tags[-1])
                        time.sleep(rng.uniform(*GAP_S))
                        if (clock := sample_clock(session)) > read + RATE:
                            kept.append((read, played(session, read, clock)))
                            read = clock
                    time.sleep(NEAR_S)
                time.sleep(AHEAD_S + 0.5)
                kept.append((read, played(session, read, sample_clock(session))))
                flow.end()
            status = session.status()
            sound = capture.save()
            sender.close()
    history = kept[0][0] + steps(np.concatenate([audio for _, audio in kept]), STEP)
    captured = steps(sound.audio[0], STEP)
    near, steady = _near(watch, tags)
    expected = RATE * np.array(tags) + near
    errors = (history[np.argmin(np.abs(history[:, np.newaxis] - expected), axis=0)] - expected)[steady]
    seen = np.abs(errors) < RATE * GAP_S[0] / 2
    unseen, errors = int(np.count_nonzero(~seen)), errors[seen]
    return {
        "bundles": len(errors) + unseen,
        "disturbed": int(np.count_nonzero(~steady)),
        "within_a_hop": int(np.count_nonzero(np.abs(errors) <= HOP)),
        "median_error": round(float(np.median(errors)), 1),
        "worst_error": round(float(errors[np.argmax(np.abs(errors))]), 1),
        "earliest": round(float(errors.min()), 1),
        "latest": round(float(errors.max()), 1),
        "hop": HOP,
        "block": BLOCK,
        "unseen": unseen,
        "captured": len(captured),
        "agreeing": int(np.count_nonzero(np.isin(np.diff(captured), np.diff(history)))) + 1,
        "underruns": status.underruns,
        "device_underruns": status.device_underruns,
    }


def _near(watch: ClockWatch, tags: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the sample position of unix time 0 when each bundle was sent, and whether JACK skipped no block then."""
    times, clocks = np.array(watch.pairs).T
    starts = clocks - RATE * times
    sent = np.array(tags) - AHEAD_S
    before, near, after = (
        np.array([starts[(times > t + first) & (times < t + last)].max() for t in sent])
        for first, last in ((-2 * NEAR_S, -NEAR_S), (-NEAR_S, NEAR_S), (0.0, NEAR_S))
    )
    return near, np.ptp([before, near, after], axis=0) < BLOCK
