"""A chunk model on JACK for some minutes: underruns, and whether borders can be heard in what a client captures.

python -m tests.benchmarks._stitch_live MODEL SOUND.npy SECONDS
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

from tests.benchmarks._chunks import ChunkModel
from tests.benchmarks._trial import RATE, Silence, Stalls, eventually, number
from tests.jack import JackClient, JackServer

BLOCK = 64
AHEAD = 1920
SETTLED_S = 3.0
LEAST_CHUNKS = 12
"""Parts of the capture that have fewer tell too little, and are left out."""


def measure(path: Path, sound: np.ndarray, seconds: float) -> dict[str, Any]:
    """Play a model; `sound` [shape=(1, samples)] is what a transform hears, round and round."""
    from realtime import Session
    from realtime.commands import readings
    from tests.benchmarks._capture import Capture

    model = ChunkModel(path)
    hears: dict[str, Any] = {"input_device": "", "inputs": [1]} if model.hears else {}
    with tempfile.TemporaryDirectory() as folder, JackServer(rate=RATE, block=BLOCK) as server, ExitStack() as stack:
        os.environ.update(server.environment)
        ear = stack.enter_context(Capture(Path(folder), seconds + 20.0, channels=1))
        recording = Path(folder, "played.wav")
        session = stack.enter_context(
            Session(path, osc=("127.0.0.1", 0), library=path.parent, seed=1, record=recording, **hears)
        )
        silence = stack.enter_context(Silence())
        if model.hears:
            stack.enter_context(JackClient(server, "source", sound))
            server.connect("source:out_1", "PortAudio:in_0")
            eventually(lambda: session.segment["input_meters"][0]["peak"] > 0.01, "what it is to hear")
        with Stalls(session) as stalls:
            ear.open()
            time.sleep(SETTLED_S)
            unhurried, told = session.status(), readings(session)  # as the host decodes ahead by itself
            session.set("/ahead", number("STITCH_AHEAD", AHEAD))
            time.sleep(SETTLED_S)
            before = session.status()
            silence.begin()
            stalls.begin()
            time.sleep(seconds)
            after, silent = session.status(), silence.since()
        heard = ear.save()
        assert session.recorder is not None
        played = sf.read(session.recorder.path, dtype="float32", always_2d=True)[0][-round(seconds * RATE) :, 0]
    return {
        **stalls.told,
        "seconds": seconds,
        "ahead": number("STITCH_AHEAD", AHEAD),
        "device_underruns": after.device_underruns - before.device_underruns,
        "silent_device_underruns": silent,
        "load": round(after.load, 3),
        "latency_ms": round(unhurried.total_ms, 1),
        "input_latency_ms": told.get("/latency/input"),
        "capture_holes": heard.holes,
        "captured": _figures(heard.audio[0], model),
        "played": _figures(played, model),
    }


def _figures(audio: np.ndarray, model: ChunkModel) -> dict[str, Any] | None:
    """Ask for borders in the parts that have no holes; None where these are too short."""
    from models.borders import detected
    from models.stitches import Told, flux_ratio, jump_db
    from tests.benchmarks.stitch import as_figures

    chunk, rate = model.chunk, model.rate
    edges = np.flatnonzero(np.diff(np.concatenate([[True], np.isnan(audio), [True]]).astype(np.int8)))
    spans = [(begin, end) for begin, end in zip(edges[::2], edges[1::2], strict=True)]
    parts = [audio[begin:end] for begin, end in spans if end - begin >= LEAST_CHUNKS * chunk]
    if not parts:
        return None
    sounds = [(part, list(range(chunk, len(part), chunk))) for part in parts]

    def mean(values: list[Told]) -> Told:
        weights = np.array([value.borders for value in values], float) / sum(value.borders for value in values)
        error = float(np.sqrt(np.sum([(w * value.error) ** 2 for w, value in zip(weights, values, strict=True)])))
        whole = float(np.sum([w * value.value for w, value in zip(weights, values, strict=True)]))
        return Told(whole, error, sum(value.borders for value in values))

    jump = mean([jump_db(part, borders) for part, borders in sounds])
    flux = mean([flux_ratio(part, None, borders, rate) for part, borders in sounds])
    area = detected(sounds, rate)
    even = area if model.every_frame_alike else detected(sounds, rate, grid=model.method.hop)
    return as_figures(jump, area, even, flux)


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), np.load(sys.argv[2]), float(sys.argv[3]))))
