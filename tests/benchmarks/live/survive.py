"""survive: time to recover from a killed deck, which must not disturb the other, and from a killed audio server.

`{"kills", "back_s", "slowest_s", "longest_clock_gap_ms", "longest_silence_of_b_ms", "b_underruns", "device_underruns",
"silent_device_underruns", "capture_holes", "b_from_twin", "b_from_offline", "twin_from_offline", "compared_s",
"server": {"down_s", "back_s", "same_deck", "notes"}}`

Two decks on JACK's dummy driver, 48 kHz in blocks of 64; a JACK client of its own captures the output. Deck A plays on
the left alone and deck B on the right alone, so that each can be judged by itself. A is killed (SIGKILL, `KILLS` times,
default 20); `back_s` are the times from the kill to its first sample that sounds again.

B walks by its seed, untouched. `b_from_twin` compares its capture with that of a second session in which no deck is
killed, `b_from_offline` with a rendering of the same model and seed without any process, a block of 64 samples at a
time: `{"blocks", "differing", "slips", "largest"}`. A block differs if any of its samples does by more than 1e-5;
`largest` is the largest difference of the other blocks. JACK's own underruns (the machine's, which a stream that plays
silence counts as well: `silent_device_underruns`) remove a block, and the rest slips by it: each leaves at most a few
differing blocks, and one of the `slips`. `twin_from_offline` is the same of the twin. `longest_silence_of_b_ms` and
`longest_clock_gap_ms` show whether the stream ever stopped.

Then the server itself is killed, and started again after two seconds: `back_s` is the time from when it runs to the
first sample captured.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tests.benchmarks.support.chord_model import chord_model
from tests.benchmarks.support.job import Figures, Job
from tests.benchmarks.support.session_probe import (
    HOP,
    RATE,
    ClockWatch,
    deck_pid,
    deck_underruns,
    eventually,
    offline,
    sample_clock,
    through_the_mixer,
)
from tests.benchmarks.support.silent_stream import SilentStream
from tests.jack import JackServer

if TYPE_CHECKING:
    from realtime import Session
    from tests.benchmarks.support.jack_capture import CapturedSound

QUICK_S, FULL_S = 24, 150
LENGTHS = ("KILLS",)
BLOCK, KILLS, QUICK_KILLS, SEED = 64, 20, 1, 5
BACK_TIMEOUT_S = 10.0
REST_S = 0.5
SERVER_DOWN_S, QUICK_SERVER_DOWN_S = 2.0, 0.5
AUDIBLE = 0.02
LONGEST_SHIFT_S, QUICK_LONGEST_SHIFT_S = 10.0, 5.0
SAME = 1e-5
STRETCH, NEARBY, SEARCH_EVERY = 2048, 8192, 512  # samples


def run(job: Job) -> Figures:
    """Kill the deck, play the twin, kill the server, in this order."""
    decks = job.in_process(measure_decks, partial=lambda figures: figures)
    job.partial(decks)
    job.progress("killing the server")
    return decks | {"server": job.in_process(measure_server)}


def describe(result: Figures) -> str:
    """Return the times, and the blocks of deck B that differ."""
    server = result["server"]
    return (
        f"deck A killed {result['kills']} times: back after {result['slowest_s']:.2f} s at most; B went on "
        f"({result['b_underruns']} underruns, silent for {result['longest_silence_of_b_ms']:.1f} ms at most) and "
        f"differs in {result['b_from_twin']['differing']} of {result['b_from_twin']['blocks']} blocks from a session "
        f"without kills, in {result['b_from_offline']['differing']} from an offline rendering (the twin "
        f"itself in {result['twin_from_offline']['differing']}; {result['device_underruns']} underruns of the device)\n"
        f"the server killed, gone for {server['down_s']:.1f} s: sound {server['back_s']:.2f} s after it is back"
    )


def measure_decks(job: Job) -> Figures:
    """Kill deck A again and again, and compare deck B with its twin and with an offline rendering."""
    kills = int(job.number("KILLS", quick=QUICK_KILLS, full=KILLS))
    with tempfile.TemporaryDirectory() as folder, JackServer(rate=RATE, block=BLOCK) as server:
        os.environ.update(server.environment)
        library = Path(folder)
        left = chord_model(library / "left.onnx", (311.1, 415.3), sides=(1.0, 0.0))
        right = chord_model(library / "right.onnx", (220.0, 277.2, 330.1, 466.3), sides=(0.0, 1.0))
        result, sound = _play(job, left, right, kills)
        job.partial(result)
        seconds = sound.audio.shape[1] / RATE
        job.progress(f"playing {seconds:.0f} s without kills")
        _, twin = _play(job, left, right, 0, seconds)
        job.progress("comparing")
        longest_shift_s = job.choose(QUICK_LONGEST_SHIFT_S, LONGEST_SHIFT_S)
        alone_b = through_the_mixer(offline(right, seconds + longest_shift_s, SEED)[1], np.sin(np.pi / 4))
    return {
        **result,
        "b_from_twin": _compare(sound.audio[1], twin.audio[1]),
        "b_from_offline": _compare(sound.audio[1], alone_b),
        "twin_from_offline": _compare(twin.audio[1], alone_b),
        "compared_s": round(seconds, 1),
    }


def measure_server(job: Job) -> Figures:
    """Kill the server and start it again."""
    from realtime import Session
    from tests.benchmarks.support.jack_capture import Capture

    with tempfile.TemporaryDirectory() as folder, JackServer(rate=RATE, block=BLOCK) as server:
        os.environ.update(server.environment)
        model = chord_model(Path(folder) / "chord.onnx", (220.0, 277.2))
        with Capture(Path(folder), 60.0) as capture, Session(model, seed=SEED) as session:
            eventually(lambda: session.status().level_db > -30, "sound")
            decks = deck_pid(session, "a")
            killed = time.monotonic()
            server.kill()
            capture.begin_to_open()
            time.sleep(job.choose(QUICK_SERVER_DOWN_S, SERVER_DOWN_S))
            clock = sample_clock(session)
            with server:
                up = time.monotonic()
                capture.opened()
                eventually(lambda: sample_clock(session) > clock + RATE, "the clock to go on")
                time.sleep(1.0)
                sound = capture.save(0.0)
                back = sound.moment_of(int(np.argmax(np.nan_to_num(np.abs(sound.audio[0])) > AUDIBLE)))
                return {
                    "down_s": round(up - killed, 2),
                    "back_s": round(back - up, 2),
                    "same_deck": deck_pid(session, "a") == decks,
                    "notes": session.notes[-3:],
                }


def _play(job: Job, left: Path, right: Path, kills: int, seconds: float = 0.0) -> tuple[Figures, CapturedSound]:
    """Play both decks, kill A as often as asked, and return the figures and the capture."""
    from realtime import Session
    from tests.benchmarks.support.jack_capture import Capture

    with (
        Capture(left.parent, seconds + kills * (BACK_TIMEOUT_S + REST_S) + 30.0) as capture,
        Session(left, library=left.parent, seed=SEED) as session,
        SilentStream() as silence,
    ):
        session.set("/crossfade", 0.5)
        session.load("right", letter="b").result()
        eventually(lambda: sample_clock(session) > RATE, "a second of sound")
        capture.open()
        time.sleep(0.5)
        silence.begin()
        before = session.status()
        b_underruns = deck_underruns(session, "b")
        with ClockWatch(session) as watch:
            killed = []
            for k in range(kills):
                job.progress(f"kill {k + 1} of {kills}")
                killed.append(_kill(session))
            time.sleep(seconds + 0.5)
        status, silent = session.status(), silence.since()
        b_underruns = deck_underruns(session, "b") - b_underruns
        sound = capture.save()
    back = [_back(sound, moment) for moment in killed]
    return {
        "kills": kills,
        "back_s": [round(b, 3) for b in back],
        "slowest_s": round(max(back, default=0.0), 3),
        "longest_clock_gap_ms": round(1e3 * watch.longest_gap_s, 1),
        "longest_silence_of_b_ms": round(1e3 * _longest_silence(sound.audio[1]) / RATE, 1),
        "b_underruns": b_underruns,
        "device_underruns": status.device_underruns - before.device_underruns,
        "silent_device_underruns": silent,
        "capture_holes": sound.holes,
    }, sound


def _kill(session: Session) -> float:
    """Kill deck A, wait until there is another, and give the time of the kill."""
    eventually(lambda: deck_pid(session, "a"), "deck A to be there")
    first = deck_pid(session, "a")
    moment = time.monotonic()
    os.kill(first, signal.SIGKILL)
    eventually(lambda: deck_pid(session, "a") not in (0, first), "another deck A", BACK_TIMEOUT_S)
    time.sleep(REST_S)
    return moment


def _back(sound: CapturedSound, moment: float) -> float:
    """Give the seconds from a kill until the left channel sounds again, after it had fallen silent."""
    at = sound.sample_at(moment)
    level = np.abs(np.nan_to_num(sound.audio[0][at : at + int(BACK_TIMEOUT_S * RATE)]))
    frames = level[: len(level) // HOP * HOP].reshape(-1, HOP).max(axis=1)
    silent = int(np.argmax(frames < AUDIBLE / 10))
    if frames[silent] >= AUDIBLE / 10:
        raise RuntimeError("a deck was killed and its sound went on: it was another's sound")
    again = np.flatnonzero(level[silent * HOP :] > AUDIBLE)
    if not len(again):
        return float("inf")
    return sound.moment_of(at + silent * HOP + int(again[0])) - moment


def _longest_silence(audio: np.ndarray) -> int:
    true = np.abs(np.nan_to_num(audio)) < AUDIBLE / 100
    edges = np.flatnonzero(np.diff(np.concatenate([[0], true.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _compare(sound: np.ndarray, other: np.ndarray) -> Figures:
    """Compare a capture with another run of the same sound, a block at a time.

    Where JACK skips a block, all that follows is late: a stretch that doesn't fit is searched for around its place,
    and counted as a slip if it is found.
    """
    shift = _first_shift(sound, other)
    if shift is None:
        return {"blocks": len(sound) // BLOCK, "differing": len(sound) // BLOCK, "slips": 0, "largest": None}
    blocks = differing = slips = 0
    largest, searched = 0.0, -SEARCH_EVERY
    for at in range(0, len(sound) - BLOCK, BLOCK):
        if not 0 <= at + shift <= len(other) - BLOCK:
            continue
        blocks += 1
        away = _away(sound, other, at, shift, BLOCK)
        if not away <= SAME and at - searched >= SEARCH_EVERY:
            searched = at
            found = _find(sound, other, at, max(at + shift - NEARBY, 0), at + shift + NEARBY)
            if found is not None and found != shift:
                shift, slips = found, slips + 1
                away = _away(sound, other, at, shift, BLOCK)
        if away <= SAME:
            largest = max(largest, away)
        else:
            differing += 1
    return {"blocks": blocks, "differing": differing, "slips": slips, "largest": float(f"{largest:.2e}")}


def _first_shift(sound: np.ndarray, other: np.ndarray) -> int | None:
    for at in range(0, len(sound) - STRETCH, SEARCH_EVERY):
        found = _find(sound, other, at, 0, len(other))
        if found is not None:
            return found
    return None


def _find(sound: np.ndarray, other: np.ndarray, at: int, begin: int, end: int) -> int | None:
    """Find a stretch of a capture in a part of the other; return how much later it is there, or None."""
    from scipy.signal import correlate

    piece, within = sound[at : at + STRETCH].astype(float), np.nan_to_num(other[begin : end + STRETCH].astype(float))
    if len(piece) < STRETCH or len(within) < STRETCH or np.isnan(piece).any():
        return None
    # The best place is where the squared difference is least, not where the product is greatest: the level may change.
    squares = np.concatenate([[0.0], np.cumsum(within**2)])
    energy = squares[STRETCH:] - squares[:-STRETCH]
    shift = begin + int(np.argmin(energy - 2 * correlate(within, piece, "valid", "fft"))) - at
    return shift if _away(sound, other, at, shift, STRETCH) <= SAME else None


def _away(sound: np.ndarray, other: np.ndarray, at: int, shift: int, length: int) -> float:
    """Give the largest difference of a stretch; NaN where the capture has a hole."""
    return float(np.max(np.abs(sound[at : at + length] - other[at + shift : at + shift + length])))
