"""callback: blocks served in time by the compiled callback and by a Python one, beside a busy Python thread.

`{"native": {"due", "served"}, "python": {"due", "served"}}`: JACK's dummy driver at 48 kHz in blocks of 64 frames. Both
play what a thread puts into a ring. A block is due every 64 samples of wall time, and counts as served if the callback
ran for it.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np

from tests.benchmarks.support.job import Figures, Job
from tests.jack import JackServer

QUICK_S, FULL_S = 6, 24
RATE, BLOCK = 48_000, 64
AHEAD = 768
KINDS = ("native", "python")


def run(job: Job) -> Figures:
    """Measure both, one after the other, on one server."""
    result: Figures = {}
    with JackServer(rate=RATE, block=BLOCK) as server:
        for kind in KINDS:
            job.progress(f"{kind} callback")
            result[kind] = job.in_process(measure, kind, environment=server.environment)
            job.partial(result)
    return result


def describe(result: Figures) -> str:
    """Return the shares of blocks that were served."""
    shares = {kind: f"{100 * r['served'] / r['due']:.1f} %" for kind, r in result.items()}
    return f"blocks served beside a busy Python thread: compiled {shares['native']}, Python {shares['python']}"


def measure(job: Job, kind: str) -> Figures:
    """Play for some seconds with one kind of callback, and count the blocks."""
    from realtime.audio.deck_mixer import DeckMixer
    from realtime.audio.devices import choose
    from realtime.audio.stream import open_stream
    from realtime.ipc import rings
    from realtime.ipc.memory_layout import HISTORY, RING, Geometry
    from realtime.ipc.segment_registry import SegmentRegistry
    from realtime.ipc.segments import Segment

    registry = SegmentRegistry()
    stream_segment = Segment.create(Geometry("stream", 1, HISTORY), registry)
    deck = Segment.create(Geometry("deck", 1, RING), registry)
    deck["deck"][0]["lookahead"] = AHEAD
    mixer = DeckMixer(stream_segment, RATE, 1)
    mixer.plug(0, deck)
    state = stream_segment["stream"][0]
    device = choose(None, RATE)
    stream: Any
    if kind == "native":
        stream = open_stream(mixer, device, None, sample_rate=RATE, block=BLOCK, latency="low")
    else:
        import sounddevice as sd

        out = np.zeros(BLOCK, np.float32)

        def callback(outdata: np.ndarray, frames: int, _time: Any, _flags: Any) -> None:
            mixer.process(out, frames)  # the same work, called by the interpreter
            outdata[:, 0] = out

        stream = sd.OutputStream(
            samplerate=RATE,
            blocksize=BLOCK,
            channels=1,
            dtype="float32",
            device=device.index,
            latency="low",
            callback=callback,
        )
    running = True

    def fill() -> None:
        noise = 0.1 * np.random.default_rng(0).standard_normal((1, 256)).astype(np.float32)
        while running:
            if rings.fill(deck["ring_index"]) < AHEAD:
                rings.push_audio(deck["ring_index"], deck["ring"], 1, noise)
            else:
                time.sleep(0.0005)

    def burn() -> None:
        x = 0
        while running:
            for i in range(1000):
                x += i * i

    rings.push_audio(deck["ring_index"], deck["ring"], 1, np.zeros((1, 256), np.float32))
    threads = [threading.Thread(target=target, daemon=True) for target in (fill, burn)]
    for thread in threads:
        thread.start()
    stream.start()
    time.sleep(0.5)
    before, began = int(state["callbacks"]), time.perf_counter()
    time.sleep(job.choose(1.0, 8.0))
    served, took = int(state["callbacks"]) - before, time.perf_counter() - began
    running = False
    for thread in threads:
        thread.join()
    stream.close()
    del state
    for part in (stream_segment, deck, registry):
        part.close()
    return {"due": round(took * RATE / BLOCK), "served": served}
