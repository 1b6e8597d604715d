"""A chunk model played on JACK for some minutes: underruns, and whether boundaries can be heard in the output."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile as sf

from tests.benchmarks.stitching.chunk_model import ChunkModel
from tests.benchmarks.support.job import Figures, Job
from tests.benchmarks.support.session_probe import RATE, eventually
from tests.benchmarks.support.silent_stream import SilentStream
from tests.benchmarks.support.stall_watch import StallWatch
from tests.jack import JackClient, JackServer

if TYPE_CHECKING:
    from realtime import Session

BLOCK = 64
AHEAD = 1920
SETTLED_S, QUICK_SETTLED_S = 3.0, 0.5
POLL_S, PROGRESS_S = 0.25, 5.0
LEAST_CHUNKS = 12
"""Parts of the capture that have fewer are left out."""
PROBE = 512
"""Samples by which a part of the capture is found in the recording."""


def measure(job: Job, path: str, chunk_frames: int, sound_path: str, seconds: float) -> Figures:
    """Play a model for a while.

    Parameters
    ----------
    path
        Of the model file.
    chunk_frames
        Frames of the spectrum in a chunk.
    sound_path
        A file of numpy's with the input of a transform [shape=(1, samples)], played in a loop.
    seconds
        How long.
    """
    from realtime import Session
    from tests.benchmarks.support.jack_capture import Capture

    model = ChunkModel(Path(path), chunk_frames)
    ahead = int(job.number("STITCH_AHEAD", quick=AHEAD, full=AHEAD))
    settled_s = job.choose(QUICK_SETTLED_S, SETTLED_S)
    audio_in: dict[str, Any] = {"input_device": "", "inputs": [1]} if model.takes_audio else {}
    with tempfile.TemporaryDirectory() as folder, JackServer(rate=RATE, block=BLOCK) as server, ExitStack() as stack:
        os.environ.update(server.environment)
        capture = stack.enter_context(Capture(Path(folder), seconds + 20.0, channels=1))
        recording = Path(folder, "played.wav")
        session = stack.enter_context(
            Session(path, osc=("127.0.0.1", 0), library=Path(path).parent, seed=1, record=recording, **audio_in)
        )
        silence = stack.enter_context(SilentStream())
        if model.takes_audio:
            stack.enter_context(JackClient(server, "source", np.load(sound_path)))
            server.connect("source:out_1", "PortAudio:in_0")
            eventually(lambda: session.segment["input_meters"][0]["peak"] > 0.01, "the input")
        with StallWatch(session) as stalls:
            capture.open()
            time.sleep(settled_s)
            unhurried, values = session.status(), session.parts.status.readings()  # with the host's own look-ahead
            session.set("/ahead", ahead)
            time.sleep(settled_s)
            before = session.status()
            silence.begin()
            stalls.begin()
            places = _watched(job, session, model, seconds)
            after, silent = session.status(), silence.since()
        sound = capture.save()
        assert session.recorder is not None
        played = sf.read(session.recorder.path, dtype="float32", always_2d=True)[0][before.clock - session.began :, 0]
    played, boundaries = played[: after.clock - before.clock], places - before.clock
    return {
        **stalls.figures,
        "seconds": seconds,
        "ahead": ahead,
        "device_underruns": after.device_underruns - before.device_underruns,
        "silent_device_underruns": silent,
        "load": round(after.load, 3),
        "latency_ms": round(unhurried.total_ms, 1),
        "input_latency_ms": next(iter(values.get("/latency/input", ())), None),
        "capture_holes": sound.holes,
        "captured": _figures(_found(sound.audio[0], played, LEAST_CHUNKS * model.chunk), played, boundaries, model),
        "played": _figures([(0, len(played))], played, boundaries, model),
    }


def _watched(job: Job, session: Session, model: ChunkModel, seconds: float) -> np.ndarray:
    """Let it play, and return the sample positions where chunks began, except those near an underrun."""
    state, hop = session.deck.state, model.spectrum.hop
    behind = int(state["delay"]) - model.method.delay - hop // 2  # of the sound, as the inversion lags
    looks = [(session.clock, int(state["play_offset"]))]
    began = reported = time.monotonic()
    while (now := time.monotonic()) < began + seconds:
        if now - reported > PROGRESS_S:
            job.progress(f"{model.path.stem} live, {now - began:.0f} s of {seconds:.0f} s")
            reported = now
        time.sleep(POLL_S)
        looks.append((session.clock, int(state["play_offset"])))
    places: list[int] = []
    for (begin, offset), (end, other) in pairwise(looks):
        if offset == other:  # of frames of the deck's ring on the clock
            first = -(-(begin - offset - behind) // model.chunk)
            places += range(offset + behind + first * model.chunk, end, model.chunk)
    return np.array(places)


def _found(captured: np.ndarray, played: np.ndarray, least: int) -> list[tuple[int, int]]:
    """Return the parts of the recording that the other client captured, sample for sample."""
    there = np.concatenate([[False], ~np.isnan(captured), [False]])
    pieces = []
    for begin, end in np.flatnonzero(there[1:] != there[:-1]).reshape(-1, 2).tolist():
        at = begin
        while end - at >= least:
            probe = captured[at : at + PROBE]
            starts = np.flatnonzero(played[: len(played) - PROBE] == probe[0]) if probe.any() else np.zeros(0, int)
            start = next((int(k) for k in starts if np.array_equal(played[k : k + PROBE], probe)), None)
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
    pieces: list[tuple[int, int]], played: np.ndarray, boundaries: np.ndarray, model: ChunkModel
) -> Figures | None:
    """Return the figures of boundaries in parts of the output; None if there are no parts."""
    from models.evaluation.boundary_classifier import boundary_auc
    from models.evaluation.boundary_metrics import BoundaryMean, flux_ratio, jump_db
    from tests.benchmarks.offline.stitch import as_figures

    rate = model.rate
    if not pieces:
        return None
    inside = [(boundaries > begin) & (boundaries < end) for begin, end in pieces]
    sounds = [
        (played[begin:end], (boundaries[here] - begin).tolist())
        for (begin, end), here in zip(pieces, inside, strict=True)
    ]

    def mean(values: list[BoundaryMean]) -> BoundaryMean:
        weights = np.array([value.boundaries for value in values], float) / sum(value.boundaries for value in values)
        error = float(np.sqrt(np.sum([(w * value.error) ** 2 for w, value in zip(weights, values, strict=True)])))
        whole = float(np.sum([w * value.value for w, value in zip(weights, values, strict=True)]))
        return BoundaryMean(whole, error, sum(value.boundaries for value in values))

    jump = mean([jump_db(part, boundaries) for part, boundaries in sounds])
    flux = mean([flux_ratio(part, None, boundaries, rate) for part, boundaries in sounds])
    area = boundary_auc(sounds, rate)
    even = area if model.every_frame_alike else boundary_auc(sounds, rate, grid=model.method.hop)
    return as_figures(jump, area, even, flux)
