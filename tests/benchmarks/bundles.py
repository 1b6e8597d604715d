"""bundles: OSC bundles for a quarter of a second later, and the sample at which each is heard.

`{"bundles", "disturbed", "within_a_hop", "median_error", "worst_error", "earliest", "latest", "hop", "unseen",
"captured", "agreeing", "underruns", "device_underruns"}`: `BUNDLES` (default 500) bundles over UDP, each 250 ms ahead
of its time, beside 500 other messages a second. The model's audio is its latent, so that the first changed sample
shows. JACK's dummy driver at 48 kHz, blocks of 64, hops of 128.

Errors are in samples, below zero for early: the first changed sample in the session's own history of what its callback
gave to the device, less the sample that the time tag means. The session maps tags to its clock when they come in, and
so does this, by a clock read all the while: of the reads within a tenth of a second of the sending, the one furthest
ahead of its time. Where JACK leaves out blocks just then, which of its samples a time is cannot be said: those bundles
are `disturbed`, left out of the errors, and sent again. `unseen` are bundles without a step. A JACK client beside it
tells whether the history is what sounds: of the `captured` steps, `agreeing` are as far apart as in the history, to the
sample; the others have blocks between them that JACK left out.
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
        f"{result['within_a_hop']} of {result['bundles']} bundles within a hop of their time; "
        f"median {result['median_error']:+.0f} samples, worst {result['worst_error']:+.0f}"
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
                while (missing := count - int(np.count_nonzero(_near(watch, tags)[1]))) > 0:
                    for _ in range(missing):
                        tags.append(time.time() + AHEAD_S)
                        sender.send("/latent/1", LEVEL if len(tags) % 2 else -LEVEL, at=tags[-1])
                        time.sleep(rng.uniform(*GAP_S))
                        if (clock := sample_clock(session)) > read + RATE:
                            kept.append((read, played(session, read, clock)))
                            read = clock
                    time.sleep(NEAR_S)
                time.sleep(AHEAD_S + 0.5)
                kept.append((read, played(session, read, sample_clock(session))))
                flow.end()
            status = session.status()
            heard = ear.save()
            sender.close()
    history = kept[0][0] + steps(np.concatenate([audio for _, audio in kept]), STEP)
    captured = steps(heard.audio[0], STEP)
    near, steady = _near(watch, tags)
    expected = RATE * np.array(tags) + near
    errors = (history[np.argmin(np.abs(history[:, np.newaxis] - expected), axis=0)] - expected)[steady]
    seen = np.abs(errors) < RATE * GAP_S[0] / 2
    unseen, errors = int(np.count_nonzero(~seen)), errors[seen]
    return {
        "bundles": len(errors) + unseen,
        "disturbed": int(np.count_nonzero(~steady)),
        "within_a_hop": int(np.count_nonzero(np.abs(errors) <= HOP)),
        "median_error": round(float(np.median(errors)), 1),
        "worst_error": round(float(errors[np.argmax(np.abs(errors))]), 1),
        "earliest": round(float(errors.min()), 1),
        "latest": round(float(errors.max()), 1),
        "hop": HOP,
        "block": BLOCK,
        "unseen": unseen,
        "captured": len(captured),
        "agreeing": int(np.count_nonzero(np.isin(np.diff(captured), np.diff(history)))) + 1,
        "underruns": status.underruns,
        "device_underruns": status.device_underruns,
    }


def _near(watch: ClockWatch, tags: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Say which sample the second 0 was when each bundle was sent, and whether JACK left out nothing then."""
    times, clocks = np.array(watch.pairs).T
    starts = clocks - RATE * times
    sent = np.array(tags) - AHEAD_S
    before, near, after = (
        np.array([starts[(times > t + first) & (times < t + last)].max() for t in sent])
        for first, last in ((-2 * NEAR_S, -NEAR_S), (-NEAR_S, NEAR_S), (0.0, NEAR_S))
    )
    return near, np.ptp([before, near, after], axis=0) < BLOCK


if __name__ == "__main__":
    print(json.dumps(measure()))
