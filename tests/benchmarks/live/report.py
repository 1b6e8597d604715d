"""report: the latency that a session reports, beside the one measured from OSC packet to JACK's output.

`{"runs": [{"block", "reported_ms", "parts_ms", "measured_ms", "difference_ms", "block_ms", "within_a_block",
"captured_ms", "reported_to_device_ms", "device_ms", "trials", "underruns"}]}` for blocks of 64, 100, 128 and 256 frames
at 48 kHz, with a model whose audio is its latent, at hop 128. `reported_ms` is the sum of the parts of
`Session.latency_ms`, medians over the packets. `TRIALS` (default 100) packets are sent over UDP at random times.
`captured_ms` is the median time until the JACK cycle in which another client receives the first changed sample, by
JACK's own count of frames; `measured_ms` adds `device_ms`, the latency of the playback port as JACK reports it.
`reported_to_device_ms` is the reported latency without its part `device`, to compare with `captured_ms`.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.benchmarks.support.job import Figures, Job
from tests.benchmarks.support.message_flow import OscSender
from tests.benchmarks.support.session_probe import RATE, steps
from tests.jack import JackServer

QUICK_S, FULL_S = 9, 75
LENGTHS = ("TRIALS",)
BLOCKS, QUICK_BLOCKS = (64, 100, 128, 256), (64,)
TRIALS, QUICK_TRIALS = 100, 15
LEVEL, STEP = 3.0, 0.2
GAP_S = (0.05, 0.09)


def run(job: Job) -> Figures:
    """Measure at each block size."""
    runs: list[Figures] = []
    for block in job.choose(QUICK_BLOCKS, BLOCKS):
        job.progress(f"block {block}")
        runs.append(job.in_process(measure, block))
        job.partial({"runs": runs})
    return {"runs": runs}


def describe(result: Figures) -> str:
    """Return a line for each block size."""
    return "\n".join(
        f"block {r['block']}: {r['reported_ms']:.2f} ms reported, {r['measured_ms']:.2f} ms measured "
        f"({r['difference_ms']:+.2f}; a block is {r['block_ms']:.2f})"
        for r in result["runs"]
    )


def measure(job: Job, block: int) -> Figures:
    """Measure at one block size."""
    from realtime import Session
    from tests.benchmarks.support.jack_capture import Capture
    from tests.reference import level_model

    trials = int(job.number("TRIALS", quick=QUICK_TRIALS, full=TRIALS))
    rng = np.random.default_rng(0)
    sent = []
    with tempfile.TemporaryDirectory() as folder, JackServer(rate=RATE, block=block) as server:
        os.environ.update(server.environment)
        model = level_model(Path(folder) / "level.onnx")
        with (
            Capture(Path(folder), trials * GAP_S[1] + 20.0) as capture,
            Session(model, osc=("127.0.0.1", 0)) as session,
        ):
            session.set("/walk/radius", 0)
            session.set("/smoothing", 0)
            session.set("/latent/1", -LEVEL)
            time.sleep(0.5)
            capture.open()
            sender = OscSender(session)
            time.sleep(0.5)
            said = []
            for k in range(trials):
                said.append(session.latency_ms())  # an underrun changes it
                sent.append(sender.send("/latent/1", LEVEL if k % 2 == 0 else -LEVEL))
                time.sleep(rng.uniform(*GAP_S))
            time.sleep(0.5)
            parts = {part: float(np.median([one[part] for one in said])) for part in said[0]}
            underruns = session.status().underruns
            sound = capture.save()
            sender.close()
    changed = steps(sound.audio[0], STEP)
    moments = np.array([sound.moment_of(at) for at in changed])
    after = np.searchsorted(moments, sent)
    waits = np.append(moments, np.inf)[after] - sent
    waits = waits[waits < GAP_S[0]]  # a step that an underrun has faded cannot be seen
    if len(waits) < 0.5 * trials:
        raise RuntimeError(f"{trials} packets made only {len(waits)} steps that can be seen in the output")
    captured = 1e3 * np.median(waits)
    measured = captured + 1e3 * sound.playback_frames / RATE
    reported = sum(parts.values())
    return {
        "block": block,
        "reported_ms": round(reported, 2),
        "parts_ms": {name: round(ms, 2) for name, ms in parts.items()},
        "measured_ms": round(float(measured), 2),
        "difference_ms": round(float(measured - reported), 2),
        "block_ms": round(1e3 * block / RATE, 2),
        "within_a_block": bool(abs(measured - reported) <= 1e3 * block / RATE),
        "captured_ms": round(float(captured), 2),
        "reported_to_device_ms": round(reported - parts.get("device", 0.0), 2),
        "device_ms": round(1e3 * sound.playback_frames / RATE, 2),
        "trials": len(waits),
        "underruns": underruns,
    }
