"""note: from a key struck on a JACK MIDI keyboard to its sound, the bundled model included.

`{"median_ms", "p99_ms", "underruns", "hop", "block", "trials"}`: a session on JACK's dummy driver, 48 kHz in blocks of
64 frames, plays the bundled model from a keyboard that is another client of the server. Keys are struck at random times
with random velocities of 64 and more, and let go; the time taken is until a callback has written a sample above
−60 dBFS to the history of the output, which was silent before, read every 50 µs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import numpy as np

from tests.jack import JackServer

RATE, BLOCK, TRIALS = 48_000, 64, 200
HEARD = 1e-3


def run() -> dict[str, Any]:
    """Measure in a process that is JACK's client."""
    with JackServer(rate=RATE, block=BLOCK) as server:
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.note"],
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
        f"key to sound: median {result['median_ms']:.1f} ms, p99 {result['p99_ms']:.1f} ms at hop {result['hop']}, "
        f"block {result['block']}, {result['underruns']} underruns"
    )


def measure() -> dict[str, Any]:
    """Strike keys of a keyboard that plays a session, and time what is heard."""
    import rtmidi

    from realtime import Session

    rng = np.random.default_rng(0)
    keyboard = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name="keyboard")
    keyboard.open_virtual_port("out")
    times = []
    with Session(midi=["keyboard"]) as session:
        assert session.midi is not None
        session.set("/loudness", -90)
        deadline = time.monotonic() + 20
        while not session.midi.ports.inputs and time.monotonic() < deadline:
            time.sleep(0.05)
        stream, history = session.segment["stream"][0], session.segment["history"]
        for _ in range(TRIALS):
            _wait_for_silence(stream, history)
            time.sleep(rng.uniform(0.0, 0.02))
            note = int(rng.integers(48, 84))
            clock, struck = int(stream["clock"]), time.perf_counter()
            keyboard.send_message([0x90, note, int(rng.integers(64, 128))])
            while time.perf_counter() - struck < 0.5:
                now = int(stream["clock"])
                if now != clock:
                    if (np.abs(history[np.arange(clock, now) % len(history), 0]) > HEARD).any():
                        times.append(time.perf_counter() - struck)
                        break
                    clock = now
                time.sleep(5e-5)
            keyboard.send_message([0x80, note, 0])
        underruns, hop, block = session.status().underruns, int(session.deck.state["hop"]), int(stream["largest_block"])
        del stream, history
    if len(times) < TRIALS:
        raise RuntimeError(f"only {len(times)} of {TRIALS} keys were heard")
    ms = 1e3 * np.array(times)
    return {
        "median_ms": round(float(np.median(ms)), 2),
        "p99_ms": round(float(np.percentile(ms, 99)), 2),
        "underruns": underruns,
        "hop": hop,
        "block": block,
        "trials": len(ms),
    }


def _wait_for_silence(stream: np.ndarray, history: np.ndarray) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        time.sleep(0.05)
        now = int(stream["clock"])
        if np.abs(history[np.arange(now - RATE // 50, now) % len(history), 0]).max() < HEARD / 10:
            return
    raise RuntimeError("a note that was let go didn't end")


if __name__ == "__main__":
    print(json.dumps(measure()))
