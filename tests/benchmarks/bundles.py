"""bundles: OSC bundles for a quarter of a second later, and the sample at which each is heard.

`{"bundles", "within_a_hop", "median_error", "worst_error", "earliest", "latest", "hop", "unseen", "offset_spread",
"underruns", "device_underruns"}`: `BUNDLES` (default 500) bundles over UDP, each 250 ms ahead of its time, beside 500
other messages a second. The model's audio is its latent, so that the first changed sample shows. JACK's dummy driver at
48 kHz, blocks of 64, hops of 128.

Errors are in samples, below zero for early: the first changed sample that a JACK client of its own captures, less the
sample that the time tag means. The session maps tags to its clock when they come in, and so does this: by the median of
clock less time, read all the while, within a tenth of a second of the sending. Captured samples are brought to the
session's count by the same steps in its own history, one by one; `offset_spread` is by how many samples that offset
changed: 0 as long as JACK left out no block. `within_a_hop` counts the errors of at most a hop, either way; `unseen`
the bundles without a step, which an underrun fades.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks._trial import RATE, ClockWatch, Flow, Sender, alone, number, played, sample_clock, steps
from tests.jack import JackServer

BLOCK, BUNDLES = 64, 500
AHEAD_S, OTHERS_PER_S = 0.25, 500
GAP_S = (0.05, 0.08)  # between two bundles
LEVEL, STEP = 3.0, 0.2
HOP = 128
NEAR_S = 0.1


def run() -> dict[str, Any]:
    """Measure, in a process of its own."""
    return alone("bundles")


def describe(result: dict[str, Any]) -> str:
    """Say it in a line."""
    return (
        f"{result['within_a_hop']} of {result['bundles']} bundles within a hop of their time; median "
        f"{result['median_error']:+.0f} samples, worst {result['worst_error']:+.0f}"
    )


def measure() -> dict[str, Any]:
    """Send bundles to a session, and find them in its output."""
    from realtime import Session
    from tests.benchmarks._capture import Capture
    from tests.reference import level_model

    count = number("BUNDLES", BUNDLES)
    rng = np.random.default_rng(0)
    tags: list[float] = []
    kept: list[tuple[int, np.ndarray]] = []
    with tempfile.TemporaryDirectory() as folder, JackServer(rate=RATE, block=BLOCK) as server:
        os.environ.update(server.environment)
        model = level_model(Path(folder) / "level.onnx")
        with (
            Capture(Path(folder), count * GAP_S[1] + 20.0) as ear,
            Session(model, osc=("127.0.0.1", 0)) as session,
        ):
            assert session.osc is not None
            session.set("/walk/radius", 0)
            session.set("/smoothing", 0)
            session.set("/latent/1", -LEVEL)
            time.sleep(0.5)
            ear.open()
            sender = Sender(session)
            others = ("/latent/2", "/latent/3", "/latent/4")
            read = sample_clock(session)
            with Flow("osc", session.osc.port, OTHERS_PER_S, others) as flow, ClockWatch(session) as watch:
                flow.begin()
                time.sleep(0.5)
                for k in range(count):
                    tags.append(time.time() + AHEAD_S)
                    sender.send("/latent/1", LEVEL if k % 2 == 0 else -LEVEL, at=tags[-1])
                    time.sleep(rng.uniform(*GAP_S))
                    if (clock := sample_clock(session)) > read + RATE:
                        kept.append((read, played(session, read, clock)))
                        read = clock
                time.sleep(AHEAD_S + 0.5)
                kept.append((read, played(session, read, sample_clock(session))))
                flow.end()
            status = session.status()
            heard = ear.save()
            sender.close()
    history = kept[0][0] + steps(np.concatenate([audio for _, audio in kept]), STEP)
    captured, offsets = _offsets(steps(heard.audio[0], STEP), history)
    times, clocks = np.array(watch.pairs).T
    starts = clocks - RATE * times
    near = [starts[np.abs(times - (tag - AHEAD_S)) < NEAR_S] for tag in tags]
    expected = RATE * np.array(tags) + [np.median(start) for start in near]
    came = captured + offsets
    nearest = came[np.argmin(np.abs(came[:, np.newaxis] - expected), axis=0)]
    errors = nearest - expected
    errors = errors[np.abs(errors) < RATE * GAP_S[0] / 2]
    return {
        "bundles": count,
        "within_a_hop": int(np.count_nonzero(np.abs(errors) <= HOP)),
        "median_error": round(float(np.median(errors)), 1),
        "worst_error": round(float(errors[np.argmax(np.abs(errors))]), 1),
        "earliest": round(float(errors.min()), 1),
        "latest": round(float(errors.max()), 1),
        "hop": HOP,
        "block": BLOCK,
        "unseen": count - len(errors),
        "offset_spread": int(np.ptp(offsets)),
        "underruns": status.underruns,
        "device_underruns": status.device_underruns,
    }


def _offsets(captured: np.ndarray, history: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pair captured steps with those of the history, and give the pairs' first and by how much the second is later."""
    if not len(captured) or not len(history):
        raise RuntimeError("no bundle changed the sound")
    shifts = (history[:, np.newaxis] - captured).reshape(-1)
    fits = [np.count_nonzero(np.abs(shifts - shift) <= HOP) for shift in shifts[: 5 * len(captured)]]
    offset = shifts[int(np.argmax(fits))]
    pairs = []
    for at in captured:
        later = history[np.argmin(np.abs(history - at - offset))]
        if abs(later - at - offset) < RATE * GAP_S[0] / 2:
            offset = later - at
            pairs.append((at, offset))
    first, second = np.array(pairs).T
    return first, second


if __name__ == "__main__":
    print(json.dumps(measure()))
