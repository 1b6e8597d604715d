"""swap: hot swaps between two models while they play, in blocks of 64 and of 100 frames, and every sample of them.

`{"runs": [{"pair", "block", "ahead", "swaps", "underruns", "underruns_in_stalls", "stalls", "longest_stall_ms",
"device_underruns", "silent_device_underruns", "own_underruns", "own_seconds", "largest_jump", "own_jump", "own_jumps",
"crossed_jump", "played_jump", "own_played_jump", "capture_holes", "silent_ms", "swap_s", "seconds"}]}`, for each block
and each pair of models (`SWAPS`, default 100, times). A JACK client of its own captures what reaches the speakers, on
JACK's dummy driver at 48 kHz.

Decks are asked to decode `ahead` samples ahead (`/ahead`; `SWAP_AHEAD`, default 1920, 40 ms): longer than a small
virtual machine stands still now and then, so that what is counted is the swaps' doing. 0 leaves it to the host, which
begins with 3 ms.

`largest_jump` is the largest step from one sample to the next in all of it; `own_jumps` are the largest that each model
makes by itself, captured alone for a while under the same messages, and `own_jump` the larger of them. Two models
that are crossed over at equal power, neither of them stepping, can add up to `sqrt(a² + b²)` of theirs, `crossed_jump`.
Where JACK drops a cycle of a client that was woken too late, what is captured steps; `played_jump` and
`own_played_jump` are the same of all that our callback played, from a recording.

`stalls` are the times at which a thread more urgent than the decks had to wait for its core for over 2 ms, though
nothing of ours could keep it waiting. `underruns_in_stalls` are the underruns at such
times, and `own_underruns` those of the models in the `own_seconds` that they play by themselves; all are counted once
everything that takes part has been started. `silent_device_underruns` are those of a stream that plays nothing beside
ours: the machine's own. `silent_ms` is the longest time without sound, `swap_s` the median time from the request until
the old model is gone.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

from tests.benchmarks._trial import RATE, Sender, Silence, Stalls, alone, chord_model, largest_jump, number
from tests.jack import JackServer

SWAPS = 100
BLOCKS = (64, 100)
PAIRS = (("chord", "fifths"), ("orchestra", "chord"))
GESTURE_S, REST_S = 0.05, 0.15
AHEAD = 1920
SETTLED_S = 2.5  # clients of JACK lock their memory as they open, and nobody else runs meanwhile
LONGEST_OWN_S = 20.0
SILENCE = 1e-4


def run() -> dict[str, Any]:
    """Swap, then play each model alone."""
    return {"runs": [alone("swap", block, *pair) for pair in PAIRS for block in BLOCKS]}


def describe(result: dict[str, Any]) -> str:
    """Say it in lines."""
    return "\n".join(
        f"{r['pair']}, block {r['block']}: {r['swaps']} swaps, {r['underruns']} underruns, "
        f"{r['underruns_in_stalls']} of them when the machine stood still, {r['device_underruns']} of the device; "
        f"largest jump {r['largest_jump']:.4f}, {r['own_jump']:.4f} by the models themselves ({r['crossed_jump']:.4f} "
        f"crossed); {r['played_jump']:.4f} and {r['own_played_jump']:.4f} as they were played"
        for r in result["runs"]
    )


def measure(block: int, names: list[str]) -> dict[str, Any]:
    """Measure a pair at a block."""
    import os

    swaps = number("SWAPS", SWAPS)
    with tempfile.TemporaryDirectory() as folder, JackServer(rate=RATE, block=block) as server:
        os.environ.update(server.environment)
        library = Path(folder)
        chord_model(library / "chord.onnx", (220.0, 277.2, 330.1, 466.3))
        chord_model(library / "fifths.onnx", (146.8, 220.3, 329.6, 495.1))
        result = _play(library, names, swaps, 0.0)
        own_seconds = min(result["seconds"] / 2, LONGEST_OWN_S)
        by_itself = [_play(library, [name], 0, own_seconds) for name in names]
        own = [one["largest_jump"] for one in by_itself]
    return {
        "pair": " and ".join(names),
        "block": block,
        "ahead": number("SWAP_AHEAD", AHEAD),
        **result,
        "own_underruns": sum(one["underruns"] for one in by_itself),
        "own_seconds": round(sum(one["seconds"] for one in by_itself)),
        "own_jump": max(own),
        "own_jumps": own,
        "own_played_jump": max(one["played_jump"] for one in by_itself),
        "crossed_jump": round(float(np.hypot(*own)), 5),
    }


def _play(library: Path, names: list[str], swaps: int, seconds: float) -> dict[str, Any]:
    """Play the first model, and swap if there is a second; capture it, with a hand that never stops moving."""
    from realtime import Session
    from realtime.library.library import bundled_model
    from tests.benchmarks._capture import Capture

    paths = {name: library / f"{name}.onnx" for name in names}
    for name, path in paths.items():
        if not path.exists():
            shutil.copy(bundled_model(), path.with_name(f"{name}.onnx"))
    took = []
    longest = seconds or 4.0 * swaps + 30.0
    with (
        Capture(library, longest + 10.0) as ear,
        Session(paths[names[0]], osc=("127.0.0.1", 0), library=library, seed=1, record=library / "o.wav") as session,
        Silence() as silence,
        Stalls(session) as stalls,
    ):
        ended = threading.Event()
        hand = threading.Thread(target=_gesture, args=(Sender(session), ended))
        ear.open()
        session.set("/ahead", number("SWAP_AHEAD", AHEAD))
        time.sleep(SETTLED_S)
        before = session.status()
        silence.begin()
        stalls.begin()
        hand.start()
        began = time.monotonic()
        try:
            for k in range(swaps):
                asked = time.monotonic()
                session.load(names[(k + 1) % 2]).result()
                took.append(time.monotonic() - asked)
                time.sleep(REST_S)
                if time.monotonic() - began > longest:
                    raise RuntimeError(f"only {k + 1} of {swaps} swaps in {longest:.0f} s")
            time.sleep(max(seconds - (time.monotonic() - began), 0.5))
        finally:
            ended.set()
            hand.join()
        played_s = time.monotonic() - began
        status, silent = session.status(), silence.since()
        heard = ear.save()
    loud = np.nanmax(np.abs(heard.audio), axis=0)
    assert session.recorder is not None
    played = sf.read(session.recorder.path, always_2d=True)[0]
    result: dict[str, Any] = {
        **stalls.told,
        "seconds": round(played_s, 1),
        "largest_jump": round(largest_jump(heard.audio), 5),
        "played_jump": round(float(np.abs(np.diff(played, axis=0)).max()), 5),
    }
    if swaps:
        result |= {
            "swaps": swaps,
            "device_underruns": status.device_underruns - before.device_underruns,
            "silent_device_underruns": silent,
            "capture_holes": heard.holes,
            "silent_ms": round(1e3 * _longest_run(loud < SILENCE) / heard.rate, 1),
            "swap_s": round(float(np.median(took)), 2),
        }
    return result


def _gesture(sender: Sender, ended: threading.Event) -> None:
    """Move latent 1, the same way each time."""
    rng = np.random.default_rng(2)
    while not ended.wait(GESTURE_S):
        sender.send("/latent/1", rng.uniform(-1, 1))
    sender.close()


def _longest_run(true: np.ndarray) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], true.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), sys.argv[2:])))
