"""report: the latency that a session reports, beside the one that is measured from OSC packet to JACK's output.

`{"runs": [{"block", "reported_ms", "parts_ms", "measured_ms", "difference_ms", "block_ms", "within_a_block",
"captured_ms", "reported_to_device_ms", "device_ms", "trials", "underruns"}]}` for blocks of 64, 100, 128 and 256 frames
at 48 kHz, a model whose audio is its latent, at hop 128. `reported_ms` is the sum of what `Session.latency_ms` says at
each packet, medians of its parts.
`TRIALS` (default 100) packets are sent over UDP at random times; `captured_ms` is the median time until the cycle of
JACK's in which another client is given the first changed sample, by JACK's own count of frames; `measured_ms` adds
`device_ms`, what JACK says that its own way to the speaker takes. `reported_to_device_ms` is what the session says
without its part `device`, to be held against `captured_ms`.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks._trial import RATE, Sender, alone, number, steps
from tests.jack import JackServer

BLOCKS, TRIALS = (64, 100, 128, 256), 100
LEVEL, STEP = 3.0, 0.2
GAP_S = (0.05, 0.09)


def run() -> dict[str, Any]:
    """Measure at each block."""
    return {"runs": [alone("report", block) for block in BLOCKS]}


def describe(result: dict[str, Any]) -> str:
    """Say it in lines."""
    return "\n".join(
        f"block {r['block']}: {r['reported_ms']:.2f} ms reported, {r['measured_ms']:.2f} ms measured "
        f"({r['difference_ms']:+.2f}; a block is {r['block_ms']:.2f})"
        for r in result["runs"]
    )


def measure(block: int) -> dict[str, Any]:
    """Measure at a block."""
    from realtime import Session
    from tests.benchmarks._capture import Capture
    from tests.reference import level_model

    trials = number("TRIALS", TRIALS)
    rng = np.random.default_rng(0)
    sent = []
    with tempfile.TemporaryDirectory() as folder, JackServer(rate=RATE, block=block) as server:
        os.environ.update(server.environment)
        model = level_model(Path(folder) / "level.onnx")
        with Capture(Path(folder), trials * GAP_S[1] + 20.0) as ear, Session(model, osc=("127.0.0.1", 0)) as session:
            session.set("/walk/radius", 0)
            session.set("/smoothing", 0)
            session.set("/latent/1", -LEVEL)
            time.sleep(0.5)
            ear.open()
            sender = Sender(session)
            time.sleep(0.5)
            said = []
            for k in range(trials):
                said.append(session.latency_ms())  # an underrun makes it another
                sent.append(sender.send("/latent/1", LEVEL if k % 2 == 0 else -LEVEL))
                time.sleep(rng.uniform(*GAP_S))
            time.sleep(0.5)
            parts = {part: float(np.median([one[part] for one in said])) for part in said[0]}
            underruns = session.status().underruns
            heard = ear.save()
            sender.close()
    changed = steps(heard.audio[0], STEP)
    moments = np.array([heard.moment_of(at) for at in changed])
    after = np.searchsorted(moments, sent)
    waits = np.append(moments, np.inf)[after] - sent
    waits = waits[waits < GAP_S[0]]  # a step that an underrun has faded cannot be seen
    if len(waits) < 0.5 * trials:
        raise RuntimeError(f"{trials} packets made {len(waits)} steps that can be seen in the output")
    captured = 1e3 * np.median(waits)
    measured = captured + 1e3 * heard.playback_frames / RATE
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
        "device_ms": round(1e3 * heard.playback_frames / RATE, 2),
        "trials": len(waits),
        "underruns": underruns,
    }


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
