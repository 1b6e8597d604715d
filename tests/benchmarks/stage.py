"""stage: a minute on JACK's dummy driver, 48 kHz in blocks of 64 frames, an OSC client at 200 messages a second.

`{"runs": [{"seconds", "underruns", "device_underruns", "silent_device_underruns", "messages", "load"}]}`: three runs of
the bundled model. `underruns` are ours (a hop that came too late); `device_underruns` are what PortAudio reported, and
`silent_device_underruns` what it reported in the same time to a stream that plays silence beside ours, without a model:
the machine's own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import numpy as np

from tests.jack import JackServer

RATE, BLOCK = 48_000, 64
RUNS, SECONDS, MESSAGES_PER_S = 3, 60.0, 200


def run() -> dict[str, Any]:
    """Run three times, each in a process of its own."""
    runs = []
    with JackServer(rate=RATE, block=BLOCK) as server:
        for _ in range(RUNS):
            done = subprocess.run(
                [sys.executable, "-m", "tests.benchmarks.stage", os.environ.get("STAGE_SECONDS", str(SECONDS))],
                env=server.environment,
                check=True,
                capture_output=True,
                text=True,
            )
            runs.append(json.loads(done.stdout))
    return {"runs": runs}


def describe(result: dict[str, Any]) -> str:
    """Say it in lines."""
    return "\n".join(
        f"{r['seconds']:.0f} s, {r['messages']} messages: {r['underruns']} underruns of ours, {r['device_underruns']} "
        f"of the device ({r['silent_device_underruns']} for a silent stream beside it), load {100 * r['load']:.0f} %"
        for r in result["runs"]
    )


def measure(seconds: float) -> dict[str, Any]:
    """Play for a while under OSC, beside a silent stream."""
    import socket

    from pythonosc.osc_message_builder import OscMessageBuilder

    from realtime import Session
    from realtime.audio.mixer import Mixer
    from realtime.audio.stream import choose, open_stream
    from realtime.ipc.layout import HISTORY, Geometry
    from realtime.ipc.registry import Registry
    from realtime.ipc.segments import Segment
    from realtime.library.library import bundled_model

    registry = Registry()
    silent = Segment.create(Geometry("stream", 1, HISTORY), registry)
    silent_mixer = Mixer(silent, RATE, 1)
    rng = np.random.default_rng(0)
    with Session(bundled_model(), osc=("127.0.0.1", 0)) as session:
        assert session.osc is not None
        silent_stream = open_stream(silent_mixer, choose(None, RATE), sample_rate=RATE, block=BLOCK, latency="low")
        silent_stream.start()
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        began = time.perf_counter()
        sent = 0
        while (now := time.perf_counter() - began) < seconds:
            if sent < now * MESSAGES_PER_S:
                message = OscMessageBuilder(f"/latent/{1 + sent % session.card.latent.size}")
                message.add_arg(float(rng.normal()))
                sender.sendto(message.build().dgram, ("127.0.0.1", session.osc.port))
                sent += 1
            else:
                time.sleep(1e-3)
        time.sleep(0.1)
        status = session.status()
        result = {
            "seconds": round(now, 1),
            "underruns": status.underruns,
            "device_underruns": status.device_underruns,
            "silent_device_underruns": int(silent["stream"][0]["device_underruns"]),
            "messages": status.osc_messages,
            "load": round(status.load, 3),
        }
        silent_stream.close()
    silent.close()
    registry.close()
    return result


if __name__ == "__main__":
    print(json.dumps(measure(float(sys.argv[1]))))
