"""latency: from a UDP packet to the callback that plays the first sample it changed, decoder included.

`{"median_ms", "p99_ms", "underruns", "hop", "block", "trials"}`: a session on JACK's dummy driver, 48 kHz in blocks of
64 frames, with the reference decoder's cost: the model is the reference decoder (300 k parameters, hop 128), its output
replaced by the level of latent 1, so that the audio shows its latent. Packets are sent at random times; the time taken
is when a callback has written a changed sample to the history of the output, read every 50 µs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.jack import JackServer

RATE, BLOCK, TRIALS = 48_000, 64, 600
STEP = 0.02  # of the output, well over what the DC filter does in a moment


def run() -> dict[str, Any]:
    """Make the model, then measure in a process that is JACK's client."""
    from tests.reference import export_shown_reference

    with tempfile.TemporaryDirectory() as folder, JackServer(rate=RATE, block=BLOCK) as server:
        model = export_shown_reference(Path(folder) / "shown.onnx")
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.latency", str(model)],
            env=server.environment,
            check=True,
            capture_output=True,
            text=True,
        )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def describe(result: dict[str, Any]) -> str:
    """Say it in a line."""
    return (
        f"packet to sound: median {result['median_ms']:.1f} ms, p99 {result['p99_ms']:.1f} ms at hop {result['hop']}, "
        f"block {result['block']}, {result['underruns']} underruns"
    )


def measure(model: str) -> dict[str, Any]:
    """Send packets to a running session and time what they do."""
    import socket

    from pythonosc.osc_message_builder import OscMessageBuilder

    from realtime import Session

    rng = np.random.default_rng(0)
    times = []
    with Session(model, osc=("127.0.0.1", 0)) as session:
        assert session.osc is not None
        session.set("/walk/radius", 0)
        session.set("/smoothing", 0)
        time.sleep(0.5)
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        stream, history = session.segment["stream"][0], session.segment["history"]
        value = 0.0
        for _ in range(TRIALS):
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
    if len(times) < TRIALS:
        raise RuntimeError(f"only {len(times)} of {TRIALS} packets changed the sound")
    ms = 1e3 * np.array(times)
    return {
        "median_ms": round(float(np.median(ms)), 2),
        "p99_ms": round(float(np.percentile(ms, 99)), 2),
        "underruns": underruns,
        "hop": hop,
        "block": block,
        "trials": len(ms),
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
