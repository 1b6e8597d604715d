"""swap: underruns and steps in the sound of a hundred hot swaps between two models, in blocks of 64 and 100 frames.

`{"runs": [{"pair", "block", "ahead", "swaps", "underruns", "underruns_in_stalls", "stalls", "longest_stall_ms",
"device_underruns", "silent_device_underruns", "own_underruns", "own_seconds", "largest_jump", "own_jump", "own_jumps",
"crossed_jump", "played_jump", "own_played_jump", "capture_holes", "silent_ms", "swap_s", "seconds"}]}`, for each block
and each pair of models (`SWAPS`, default 100, times), on JACK's dummy driver at 48 kHz. A JACK client of its own
captures the output. The quick form has one run.

The look-ahead is `ahead` samples (`/ahead`; `SWAP_AHEAD`, default 1920, 40 ms): longer than a small virtual machine
stalls now and then, so that the swaps are measured and not the machine. 0 leaves it to the host, which begins with
3 ms.

`largest_jump` is the largest step from one sample to the next; `own_jumps` are the largest that each model makes by
itself, captured alone for a while under the same messages, and `own_jump` the larger of them. A crossfade at equal
power of two models, neither of which steps, can reach `sqrt(a² + b²)` of theirs, `crossed_jump`. Where JACK drops a
cycle of a client that woke too late, the capture steps; `played_jump` and `own_played_jump` are the same of a recording
of the session's own output.

`stalls` are the times when a thread more urgent than the decks had to wait for its core for over 2 ms, though
nothing of ours could keep it waiting. `underruns_in_stalls` are the underruns at such times, and `own_underruns` those
of the models in the `own_seconds` that they play by themselves; all are counted once everything has been started.
`silent_device_underruns` are those of a stream that plays silence: the machine's own. `silent_ms` is the longest time
without sound, `swap_s` the median time from the request until the old model is gone.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import soundfile as sf

from tests.benchmarks.support.chord_model import chord_model
from tests.benchmarks.support.job import Figures, Job
from tests.benchmarks.support.message_flow import OscSender
from tests.benchmarks.support.session_probe import RATE, largest_jump
from tests.benchmarks.support.silent_stream import SilentStream
from tests.benchmarks.support.stall_watch import StallWatch
from tests.jack import JackServer

QUICK_S, FULL_S = 20, 560
LENGTHS = ("SWAPS",)
SWAPS, QUICK_SWAPS = 100, 2
BLOCKS = (64, 100)
PAIRS = (("chord", "fifths"), ("orchestra", "chord"))
GESTURE_S, REST_S = 0.05, 0.15
AHEAD = 1920
SETTLED_S, QUICK_SETTLED_S = 2.5, 0.5  # clients of JACK lock their memory as they open, which holds up all others
LONGEST_OWN_S = 20.0
SILENCE = 1e-4


def run(job: Job) -> Figures:
    """Swap, then play each model alone, for each pair and block size."""
    runs: list[Figures] = []
    for names, block in [(names, block) for names in PAIRS for block in BLOCKS][: job.choose(1, None)]:
        runs.append(job.in_process(measure, block, names))
        job.partial({"runs": runs})
    return {"runs": runs}


def describe(result: Figures) -> str:
    """Return a line for each run."""
    return "\n".join(
        f"{r['pair']}, block {r['block']}: {r['swaps']} swaps, {r['underruns']} underruns, "
        f"{r['underruns_in_stalls']} of them in stalls of the machine, {r['device_underruns']} of the device; "
        f"largest jump {r['largest_jump']:.4f}, {r['own_jump']:.4f} by the models themselves ({r['crossed_jump']:.4f} "
        f"crossed); {r['played_jump']:.4f} and {r['own_played_jump']:.4f} as they were played"
        for r in result["runs"]
    )


def measure(job: Job, block: int, names: list[str]) -> Figures:
    """Measure a pair of models at a block size."""
    swaps = int(job.number("SWAPS", quick=QUICK_SWAPS, full=SWAPS))
    with tempfile.TemporaryDirectory() as folder, JackServer(rate=RATE, block=block) as server:
        os.environ.update(server.environment)
        library = Path(folder)
        chord_model(library / "chord.onnx", (220.0, 277.2, 330.1, 466.3))
        chord_model(library / "fifths.onnx", (146.8, 220.3, 329.6, 495.1))
        result = _play(job, library, names, swaps, 0.0)
        own_seconds = min(result["seconds"] / 2, LONGEST_OWN_S)
        by_itself = [_play(job, library, [name], 0, own_seconds) for name in names]
        own = [one["largest_jump"] for one in by_itself]
    return {
        "pair": " and ".join(names),
        "block": block,
        "ahead": int(job.number("SWAP_AHEAD", quick=AHEAD, full=AHEAD)),
        **result,
        "own_underruns": sum(one["underruns"] for one in by_itself),
        "own_seconds": round(sum(one["seconds"] for one in by_itself)),
        "own_jump": max(own),
        "own_jumps": own,
        "own_played_jump": max(one["played_jump"] for one in by_itself),
        "crossed_jump": round(float(np.hypot(*own)), 5),
    }


def _play(job: Job, library: Path, names: list[str], swaps: int, seconds: float) -> Figures:
    """Play the first model, and swap if there is a second; capture it while latent 1 keeps moving."""
    from realtime import Session
    from realtime.library.library import bundled_model
    from tests.benchmarks.support.jack_capture import Capture

    paths = {name: library / f"{name}.onnx" for name in names}
    for name, path in paths.items():
        if not path.exists():
            shutil.copy(bundled_model(), path.with_name(f"{name}.onnx"))
    took = []
    job.progress(f"playing {' and '.join(names)}")
    longest = seconds or 4.0 * swaps + 30.0
    with (
        Capture(library, longest + 10.0) as capture,
        Session(paths[names[0]], osc=("127.0.0.1", 0), library=library, seed=1, record=library / "o.wav") as session,
        SilentStream() as silence,
        StallWatch(session) as stalls,
    ):
        ended = threading.Event()
        hand = threading.Thread(target=_gesture, args=(OscSender(session), ended))
        capture.open()
        session.set("/ahead", int(job.number("SWAP_AHEAD", quick=AHEAD, full=AHEAD)))
        time.sleep(job.choose(QUICK_SETTLED_S, SETTLED_S))
        before = session.status()
        silence.begin()
        stalls.begin()
        hand.start()
        began = time.monotonic()
        try:
            for k in range(swaps):
                if k % 10 == 0:
                    job.progress(f"{' and '.join(names)}: {k} swaps of {swaps}")
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
        sound = capture.save()
    loud = np.nanmax(np.abs(sound.audio), axis=0)
    assert session.recorder is not None
    played = sf.read(session.recorder.path, always_2d=True)[0]
    result: Figures = {
        **stalls.figures,
        "seconds": round(played_s, 1),
        "largest_jump": round(largest_jump(sound.audio), 5),
        "played_jump": round(float(np.abs(np.diff(played, axis=0)).max()), 5),
    }
    if swaps:
        result |= {
            "swaps": swaps,
            "device_underruns": status.device_underruns - before.device_underruns,
            "silent_device_underruns": silent,
            "capture_holes": sound.holes,
            "silent_ms": round(1e3 * _longest_run(loud < SILENCE) / sound.rate, 1),
            "swap_s": round(float(np.median(took)), 2),
        }
    return result


def _gesture(sender: OscSender, ended: threading.Event) -> None:
    """Move latent 1, the same way each time."""
    rng = np.random.default_rng(2)
    while not ended.wait(GESTURE_S):
        sender.send("/latent/1", rng.uniform(-1, 1))
    sender.close()


def _longest_run(true: np.ndarray) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], true.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))
