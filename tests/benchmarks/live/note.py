"""note: time from a key on a JACK MIDI keyboard to its sound, the bundled model included.

`{"median_ms", "p99_ms", "keys", "unheard", "disturbed", "p99_all_ms", "underruns", "underruns_in_stalls", "stalls",
"longest_stall_ms", "hop", "block"}`: a session on JACK's dummy driver, 48 kHz in blocks of 64 frames, plays the bundled
model from a keyboard that is another client of the server. Keys are pressed at random times with random velocities of
64 and more, and released. The time ends when a callback has written a sample above −60 dBFS to the history of the
output, which was silent before and is read every 50 µs. The look-ahead is locked, so that no underrun widens it.

On every core a thread waits that is more urgent than the decks. Keys that sounded during a stall (the machine kept one
of these waiting for over 2 ms) are `disturbed`, and left out of all but `p99_all_ms`. `unheard` are keys that never
sounded: JACK drops the messages of a cycle for a client that was late in it.
"""

from __future__ import annotations

import time

import numpy as np

from tests.benchmarks.support.job import Figures, Job
from tests.benchmarks.support.stall_watch import StallWatch
from tests.jack import JackServer

QUICK_S, FULL_S = 11, 150
RATE, BLOCK = 48_000, 64
KEYS, QUICK_KEYS = 400, 10
AUDIBLE = 1e-3
SETTLED_S = 2.5  # a deck decodes further ahead while it starts, and while this benchmark's own clients open


def run(job: Job) -> Figures:
    """Measure in a process that is JACK's client."""
    with JackServer(rate=RATE, block=BLOCK) as server:
        return job.in_process(measure, environment=server.environment)


def describe(result: Figures) -> str:
    """Return the times."""
    return (
        f"key to sound: median {result['median_ms']:.1f} ms, p99 {result['p99_ms']:.1f} ms of {result['keys']} keys at "
        f"hop {result['hop']}, block {result['block']}; {result['disturbed']} more during stalls of the machine"
    )


def measure(job: Job) -> Figures:
    """Press keys of a keyboard that plays a session, and time their sound."""
    import rtmidi

    from realtime import Session

    keys = job.choose(QUICK_KEYS, KEYS)
    rng = np.random.default_rng(0)
    keyboard = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name="keyboard")
    keyboard.open_virtual_port("out")
    pressed: list[float] = []
    times: list[float] = []
    with Session(midi=["keyboard"]) as session, StallWatch(session) as stalls:
        assert session.midi is not None
        session.set("/ahead/lock", 1)
        session.set("/loudness", -90)
        deadline = time.monotonic() + 20
        while not session.midi.ports.inputs and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(SETTLED_S)
        stalls.begin()
        stream, history = session.segment["stream"][0], session.segment["history"]
        for k in range(keys):
            if k % 10 == 0:
                job.progress(f"{k} keys of {keys}")
            _wait_for_silence(stream, history)
            time.sleep(rng.uniform(0.0, 0.02))
            note, velocity = int(rng.integers(48, 84)), int(rng.integers(64, 128))
            clock = int(stream["clock"])
            began = time.monotonic()
            keyboard.send_message([0x90, note, velocity])
            if _sounds(stream, history, clock):
                pressed.append(began)
                times.append(time.monotonic() - began)
            keyboard.send_message([0x80, note, 0])
        hop, block = int(session.deck.state["hop"]), int(stream["largest_block"])
        del stream, history
    disturbed = np.array(
        [
            any(end > at and end - s < at + took for end, s in stalls.late)
            for at, took in zip(pressed, times, strict=True)
        ]
    )
    ms = 1e3 * np.array(times)
    steady = ms[~disturbed]
    if len(steady) < keys / 2:
        raise RuntimeError(f"the machine stalled during {disturbed.sum()} of {keys} keys; close other programs")
    return {
        "median_ms": round(float(np.median(steady)), 2),
        "p99_ms": round(float(np.percentile(steady, 99)), 2),
        "keys": len(steady),
        "unheard": keys - len(ms),
        "disturbed": int(disturbed.sum()),
        "p99_all_ms": round(float(np.percentile(ms, 99)), 2),
        **stalls.figures,
        "hop": hop,
        "block": block,
    }


def _wait_for_silence(stream: np.ndarray, history: np.ndarray) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        time.sleep(0.05)
        now = int(stream["clock"])
        if np.abs(history[np.arange(now - RATE // 50, now) % len(history), 0]).max() < AUDIBLE / 10:
            return
    raise RuntimeError("a released note didn't end")


def _sounds(stream: np.ndarray, history: np.ndarray, clock: int) -> bool:
    """Wait for a sound, and return whether there was one."""
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        now = int(stream["clock"])
        if now != clock:
            if (np.abs(history[np.arange(clock, now) % len(history), 0]) > AUDIBLE).any():
                return True
            clock = now
        time.sleep(5e-5)
    return False
