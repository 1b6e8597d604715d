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
from itertools import pairwise
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
POLL_S = 0.25
LEAST_CHUNKS = 12
"""Parts of the capture that have fewer tell too little, and are left out."""
PROBE = 512
"""Samples by which a piece of the capture is found in the recording."""


def measure(path: Path, sound: np.ndarray, seconds: float) -> dict[str, Any]:
    """Play a model; `sound` [shape=(1, samples)] is what a transform hears, round and round."""
    from realtime import Session
    from realtime.session.commands import readings
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
            places = _watched(session, model, seconds)
            after, silent = session.status(), silence.since()
        heard = ear.save()
        assert session.recorder is not None
        played = sf.read(session.recorder.path, dtype="float32", always_2d=True)[0][before.clock - session.began :, 0]
    played, borders = played[: after.clock - before.clock], places - before.clock
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
        "captured": _figures(_found(heard.audio[0], played, LEAST_CHUNKS * model.chunk), played, borders, model),
        "played": _figures([(0, len(played))], played, borders, model),
    }


def _watched(session: Any, model: ChunkModel, seconds: float) -> np.ndarray:
    """Let it play, and give the samples of the clock at which chunks began, but for those near something late."""
    state, hop = session.deck.state, model.spectrum.hop
    behind = int(state["delay"]) - model.method.delay - hop // 2  # of the sound, as the inversion lags
    looks = [(session.clock, int(state["play_offset"]))]
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        time.sleep(POLL_S)
        looks.append((session.clock, int(state["play_offset"])))
    places: list[int] = []
    for (begin, offset), (end, other) in pairwise(looks):
        if offset == other:  # of frames of the deck's ring on the clock
            first = -(-(begin - offset - behind) // model.chunk)
            places += range(offset + behind + first * model.chunk, end, model.chunk)
    return np.array(places)


def _found(captured: np.ndarray, played: np.ndarray, least: int) -> list[tuple[int, int]]:
    """Find what was captured in the recording: pieces of it that another program has heard sample for sample."""
    there = np.concatenate([[False], ~np.isnan(captured), [False]])
    pieces = []
    for begin, end in np.flatnonzero(there[1:] != there[:-1]).reshape(-1, 2).tolist():
        at = begin
        while end - at >= least:
            probe = captured[at : at + PROBE]
            starts = np.flatnonzero(played[: len(played) - PROBE] == probe[0]) if probe.any() else ()
            start = next((k for k in starts if np.array_equal(played[k : k + PROBE], probe)), None)
            if start is None:
                at += BLOCK
                continue
            length = min(end - at, len(played) - start)
            other = np.flatnonzero(played[start : start + length] != captured[at : at + length])
            length = int(other[0]) if len(other) else length
            if length >= least:
                pieces.append((int(start), int(start) + length))
            at += length
    return pieces


def _figures(
    pieces: list[tuple[int, int]], played: np.ndarray, borders: np.ndarray, model: ChunkModel
) -> dict[str, Any] | None:
    """Ask for borders in pieces of what was played; None where there are none."""
    from models.evaluation.boundary_classifier import detected
    from models.evaluation.boundary_metrics import Told, flux_ratio, jump_db
    from tests.benchmarks.stitch import as_figures

    rate = model.rate
    if not pieces:
        return None
    inside = [(borders > begin) & (borders < end) for begin, end in pieces]
    sounds = [
        (played[begin:end], (borders[here] - begin).tolist()) for (begin, end), here in zip(pieces, inside, strict=True)
    ]

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
