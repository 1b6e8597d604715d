"""recall: time from the OSC packet that recalls a snapshot to the first sample that it changes.

`{"recalls", "within", "median_ms", "p99_ms", "limit_ms", "reloads"}`: a session on JACK's dummy driver, 48 kHz in
blocks of 64 frames, with a model of hop 128 whose audio shows its latent. Two snapshots with caches are recalled in
turn, at random times, `RECALLS` times (default 200). The time is counted in samples: from the sample position when the
packet was sent to the first sample that a deck changed (before the master gain, which would hide it). `limit_ms` is one
hop, the look-ahead and a block, since the sample position moves by blocks; `within` counts the recalls within it.
`reloads` is 1 if a deck was started again.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from tests.benchmarks.support.job import Figures, Job
from tests.jack import JackServer

QUICK_S, FULL_S = 7, 20
LENGTHS = ("RECALLS",)
RATE, BLOCK, HOP = 48_000, 64, 128
RECALLS, QUICK_RECALLS = 200, 20
LONGEST_WAIT = RATE // 2  # samples


def run(job: Job) -> Figures:
    """Make the model, then measure in a process that is JACK's client."""
    from tests.reference import level_model

    with tempfile.TemporaryDirectory() as folder, JackServer(rate=RATE, block=BLOCK) as server:
        model = level_model(Path(folder) / "level.onnx", hop=HOP)
        return job.in_process(measure, str(model), environment=server.environment)


def describe(result: Figures) -> str:
    """Return the times."""
    return (
        f"recall to sound: median {result['median_ms']:.1f} ms, p99 {result['p99_ms']:.1f} ms; {result['within']} of "
        f"{result['recalls']} within {result['limit_ms']:.1f} ms; {result['reloads']} models loaded again"
    )


def measure(job: Job, model: str) -> Figures:
    """Recall snapshots of a running session by OSC, and time the changes in samples."""
    import socket

    from pythonosc.osc_message_builder import OscMessageBuilder

    from realtime import Session

    recalls = int(job.number("RECALLS", quick=QUICK_RECALLS, full=RECALLS))
    rng = np.random.default_rng(0)
    came, limits = [], []
    with Session(model, osc=("127.0.0.1", 0)) as session:
        assert session.osc is not None
        session.set("/walk/radius", 0)
        session.set("/smoothing", 0)
        packets = []
        for name, value in (("low", -3.0), ("high", 3.0)):
            session.set("/latent/1", value)
            session.recall.save(name)
            builder = OscMessageBuilder("/snapshot/recall")
            builder.add_arg(name)
            packets.append(builder.build().dgram)
        session.parts.states.settle()
        time.sleep(0.5)
        pid, to = session.deck.pid, ("127.0.0.1", session.osc.port)
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        stream, stems = session.segment["stream"][0], session.segment["stems"]
        for k in range(recalls):
            if k % 20 == 0:
                job.progress(f"{k} recalls of {recalls}")
            begin = int(stream["clock"])
            limits.append(HOP + int(session.deck.state["lookahead"]) + int(stream["largest_block"]))
            sender.sendto(packets[k % 2], to)
            while int(stream["clock"]) < begin + 4 * limits[-1]:
                time.sleep(1e-3)
            changed = np.zeros(0, int)
            while not len(changed) and int(stream["clock"]) < begin + LONGEST_WAIT:
                x = stems[np.arange(begin - 1, int(stream["clock"])) % len(stems), 0, 0]
                changed = np.flatnonzero(x != x[0])
                time.sleep(1e-3)
            if len(changed):
                came.append(int(changed[0]) - 1)
            else:
                limits.pop()
            time.sleep(rng.uniform(0.005, 0.02))
        reloads = int(session.deck.pid != pid)
        del stream, stems
    if not came:
        raise RuntimeError("no recall changed the sound")
    late = np.array(came) - np.array(limits)
    ms = 1e3 * np.array(came) / RATE
    return {
        "recalls": recalls,
        "within": int((late <= 0).sum()),
        "median_ms": round(float(np.median(ms)), 2),
        "p99_ms": round(float(np.percentile(ms, 99)), 2),
        "limit_ms": round(1e3 * float(np.median(limits)) / RATE, 2),
        "reloads": reloads,
    }
