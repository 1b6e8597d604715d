"""latency: time from an OSC packet to the callback that plays the first sample it changed, decoder included.

`{"median_ms", "p99_ms", "underruns", "hop", "block", "trials"}`: a session on JACK's dummy driver, 48 kHz in blocks of
64 frames. The model is the reference decoder (300 k parameters, hop 128) with its output replaced by the level of
latent 1, so that it costs the same and its audio shows its latent. The quick form, which exports nothing, has a model
of the same hop that costs less. Packets are sent over UDP at random times; the time
ends when a callback has written a changed sample to the history of the output, which is read every 50 µs.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from tests.benchmarks.support.job import Figures, Job
from tests.jack import JackServer

QUICK_S, FULL_S = 10, 30
RATE, BLOCK = 48_000, 64
TRIALS, QUICK_TRIALS = 600, 50
STEP = 0.02  # of the output, well over what the DC filter does in a moment


def run(job: Job) -> Figures:
    """Make the model, then measure in a process that is JACK's client."""
    from tests.reference import export_shown_reference, level_model

    job.progress("writing the model")
    with tempfile.TemporaryDirectory() as folder, JackServer(rate=RATE, block=BLOCK) as server:
        path = Path(folder) / "shown.onnx"
        model = level_model(path) if job.quick else export_shown_reference(path)
        return job.in_process(measure, str(model), environment=server.environment)


def describe(result: Figures) -> str:
    """Return the times."""
    return (
        f"packet to sound: median {result['median_ms']:.1f} ms, p99 {result['p99_ms']:.1f} ms at hop {result['hop']}, "
        f"block {result['block']}, {result['underruns']} underruns"
    )


def measure(job: Job, model: str) -> Figures:
    """Send packets to a running session, and time the changes in its output."""
    import socket

    from pythonosc.osc_message_builder import OscMessageBuilder

    from realtime import Session

    rng = np.random.default_rng(0)
    times: list[float] = []
    trials = job.choose(QUICK_TRIALS, TRIALS)
    with Session(model, osc=("127.0.0.1", 0)) as session:
        assert session.osc is not None
        session.set("/walk/radius", 0)
        session.set("/smoothing", 0)
        time.sleep(0.5)
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        stream, history = session.segment["stream"][0], session.segment["history"]
        value = 0.0
        for k in range(trials):
            if k % 100 == 0:
                job.progress(f"{k} packets of {trials}")
            value = 3.0 if value <= 0 else -3.0
            message = OscMessageBuilder("/latent/1")
            message.add_arg(value)
            packet = message.build().dgram
            clock = int(stream["clock"])
            level = history[(clock - 1) % len(history), 0]
            sent = time.perf_counter()
            sender.sendto(packet, ("127.0.0.1", session.osc.port))
            while time.perf_counter() - sent < 0.5:
                now = int(stream["clock"])
                if now != clock:
                    fresh = history[np.arange(clock, now) % len(history), 0]
                    if (np.abs(fresh - level) > STEP).any():
                        times.append(time.perf_counter() - sent)
                        break
                    clock, level = now, fresh[-1]
                time.sleep(5e-5)
            time.sleep(rng.uniform(0.005, 0.02))
        underruns, hop, block = session.status().underruns, int(session.deck.state["hop"]), int(stream["largest_block"])
        del stream, history
    if len(times) < trials:
        raise RuntimeError(f"only {len(times)} of {trials} packets changed the sound")
    ms = 1e3 * np.array(times)
    return {
        "median_ms": round(float(np.median(ms)), 2),
        "p99_ms": round(float(np.percentile(ms, 99)), 2),
        "underruns": underruns,
        "hop": hop,
        "block": block,
        "trials": len(ms),
    }
