"""What the trials of the whole stage have in common: a process of their own, models that can be heard, steady senders.

What is known here of the inside of a session stands in one place, at the end.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import psutil  # type: ignore[import-untyped]

from realtime import Session

RATE = 48_000
PATIENCE_S = 30.0
HOP = 128


def number(name: str, default: float) -> int:
    """Give a count from the environment, so that a trial can be made shorter or longer."""
    return int(float(os.environ.get(name, default)))


def alone(benchmark: str, *arguments: object) -> dict[str, Any]:
    """Run a benchmark's module in a process of its own, and read the JSON that it prints last."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.benchmarks.{benchmark}", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{benchmark} {' '.join(map(str, arguments))} failed: {done.stderr.strip()[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def eventually(condition: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Wait for something; a `RuntimeError` says what never came."""
    until = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > until:
            raise RuntimeError(f"waited {timeout_s:.0f} s in vain for {what}")
        time.sleep(0.002)


def chord_model(
    path: Path, frequencies: Sequence[float], *, sides: Sequence[float] = (1.0,), level: float = 0.4
) -> Path:
    """Write a model of audio that holds a chord, and bends it by latent 1: two semitones a standard deviation.

    Oscillators whose phases are the cache, so the sound never steps, whatever the latent does. `sides` is the weight in
    each channel: `(1, 0)` is heard on the left alone.
    """
    from onnx import TensorProto, helper, numpy_helper

    from export.format.card import Card, Latent, Method, Provenance
    from export.format.io import save

    count, channels = len(frequencies), len(sides)
    node = helper.make_node
    nodes = [
        node("Slice", ["decode.input", "zero", "one", "axis1"], ["first"]),  # [1, 1, frames]
        node("Mul", ["first", "octaves"], ["bend"]),
        node("Exp", ["bend"], ["ratio"]),
        node("Mul", ["ratio", "speeds"], ["speed"]),  # [1, voices, frames], turns a sample
        node("Mul", ["speed", "hop"], ["turns"]),
        node("CumSum", ["turns", "axis2s"], ["before"], exclusive=1),
        node("Add", ["before", "decode.state.0"], ["start"]),
        node("Unsqueeze", ["start", "axis3"], ["start4"]),
        node("Unsqueeze", ["speed", "axis3"], ["speed4"]),
        node("Mul", ["speed4", "samples"], ["within"]),  # [1, voices, frames, hop]
        node("Add", ["start4", "within"], ["phase"]),
        node("Mul", ["phase", "circle"], ["angle"]),
        node("Sin", ["angle"], ["voices"]),
        node("ReduceMean", ["voices", "axis1"], ["mean"], keepdims=1),
        node("Mul", ["mean", "level"], ["loud"]),  # [1, 1, frames, hop]
        node("Reshape", ["loud", "flat"], ["mono"]),
        node("Mul", ["mono", "sides"], ["decode.output"]),
        node("ReduceSum", ["turns", "axis2"], ["turned"], keepdims=1),
        node("Add", ["decode.state.0", "turned"], ["far"]),
        node("Floor", ["far"], ["whole"]),
        node("Sub", ["far", "whole"], ["decode.state.0.next"]),
    ]
    constants = {
        "zero": np.array([0]),
        "one": np.array([1]),
        "axis1": np.array([1]),
        "axis2": np.array([2]),
        "axis2s": np.array(2),
        "axis3": np.array([3]),
        "flat": np.array([1, 1, -1]),
        "octaves": np.array(np.log(2) / 6, np.float32),
        "speeds": (np.array(frequencies) / RATE).reshape(1, count, 1).astype(np.float32),
        "hop": np.array(HOP, np.float32),
        "samples": np.arange(HOP, dtype=np.float32).reshape(1, 1, 1, HOP),
        "circle": np.array(2 * np.pi, np.float32),
        "level": np.array(level, np.float32),
        "sides": np.array(sides, np.float32).reshape(1, channels, 1),
    }

    def value(name: str, shape: list[int | str]) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes,
        "chord",
        [value("decode.input", [1, 2, "frames"]), value("decode.state.0", [1, count, 1])],
        [value("decode.output", [1, channels, "samples"]), value("decode.state.0.next", [1, count, 1])],
        [numpy_helper.from_array(constant, name) for name, constant in constants.items()],
    )
    method = Method(hop=HOP, output="audio", channels=channels, rest=(np.zeros((1, count, 1), np.float32),))
    card = Card(path.stem, RATE, {"decode": method}, Latent.plain(2), Provenance(licence="CC0-1.0"))
    save(path, helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), card)
    return path


class Flow:
    """Messages at a steady rate out of a process of their own: `osc PORT`, or `midi NAME`, a device on JACK."""

    def __init__(self, kind: str, to: object, rate: float, addresses: Sequence[str] = ()) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks._flow", kind, str(to), str(rate), *addresses],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"the sender of {kind} does not start; run python -m tests.benchmarks._flow to see why")

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def begin(self) -> Self:
        """Send from now on."""
        assert self._process.stdin is not None
        self._process.stdin.write("begin\n")
        self._process.stdin.flush()
        return self

    def end(self) -> int:
        """Send no more, and give how many were sent."""
        told, _ = self._process.communicate(timeout=PATIENCE_S)
        return int(told.split()[-1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


class Sender:
    """A socket that sends single OSC messages and bundles to a session."""

    def __init__(self, session: Session) -> None:
        assert session.osc is not None
        self._to = ("127.0.0.1", session.osc.port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(self, address: str, value: float, *, at: float | None = None) -> float:
        """Send a value, in a bundle for a unix time where one is given, and say when, by `time.monotonic`."""
        from pythonosc.osc_bundle_builder import OscBundleBuilder
        from pythonosc.osc_message_builder import build_msg

        message = build_msg(address, float(value))
        packet = message.dgram
        if at is not None:
            bundle = OscBundleBuilder(at)  # type: ignore[arg-type]  # a time, though it says int
            bundle.add_content(message)
            packet = bundle.build().dgram
        sent = time.monotonic()
        self._socket.sendto(packet, self._to)
        return sent

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def steps(audio: np.ndarray, least: float) -> np.ndarray:
    """Give the samples at which a channel steps by more than `least`."""
    return np.flatnonzero(np.abs(np.diff(audio)) > least) + 1


def largest_jump(audio: np.ndarray) -> float:
    """Give the largest step from one sample to the next, over all channels; holes of the capture don't count."""
    return float(np.nanmax(np.abs(np.diff(audio, axis=1))))


def memory_mb(without: Sequence[int] = ()) -> float:
    """Add up what this process and its children hold, shares of shared memory in parts (PSS), in MB."""
    members = [psutil.Process()]
    members += [child for child in members[0].children(recursive=True) if child.pid not in without]
    total = 0
    for member in members:
        try:
            info = member.memory_full_info()
        except psutil.NoSuchProcess:
            continue
        total += getattr(info, "pss", info.rss)
    return total / 1e6


class Silence:
    """A PortAudio stream that plays nothing, in a process of its own: what the machine does to it is not our doing."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks._silence"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._before = self.underruns()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def begin(self) -> Self:
        """Count from now on."""
        self._before = self.underruns()
        return self

    def since(self) -> int:
        """Give the underruns since `begin`."""
        return self.underruns() - self._before

    def underruns(self) -> int:
        """Give how many underruns PortAudio has told it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("?\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline() or -1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()


class Stalls:
    """Watches every core for times at which the machine let nobody run, however urgent; and a session for underruns.

    There after the `with`: `told`, the underruns of the decks since `begin`, and how many of them came within `NEAR_S`
    of such a time; and `late`, these times themselves, each as its end (of `time.monotonic`) and its length in s.
    """

    NEAR_S = 0.03

    def __init__(self, session: Session) -> None:
        self._session = session
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.benchmarks._stalls", str(cpu)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for cpu in sorted(os.sched_getaffinity(0))
        ]
        self._underran: list[float] = []
        self._began = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.told: dict[str, Any] = {}
        self.late: list[tuple[float, float]] = []

    def begin(self) -> None:
        """Count from now on: all that takes part in the trial has been started."""
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        late = [(at, s) for process in self._processes for at, s in json.loads(process.communicate("")[0] or "[]")]
        late = self.late = [(at, s) for at, s in late if at >= self._began]
        underran = [when for when in self._underran if when >= self._began]
        near = [any(at - s - self.NEAR_S < when < at + self.NEAR_S for at, s in late) for when in underran]
        self.told = {
            "underruns": len(near),
            "underruns_in_stalls": sum(near),
            "stalls": len(late),
            "longest_stall_ms": round(1e3 * max((s for _, s in late), default=0.0), 1),
        }

    def _watch(self) -> None:
        before = self._session.status().underruns
        while not self._stop.wait(0.005):
            now = self._session.status().underruns
            self._underran += [time.monotonic()] * (now - before)
            before = now


class ClockWatch:
    """Watches whether the clock stands still; also keeps which sample it was at which unix time."""

    def __init__(self, session: Session, every_s: float = 0.004) -> None:
        self._session, self._every_s = session, every_s
        self.longest_gap_s = 0.0
        self.pairs: list[tuple[float, int]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        clock, since = -1, 0.0  # the time at which the clock was first seen where it is
        while not self._stop.wait(self._every_s):
            before, now, seen = time.time(), time.monotonic(), sample_clock(self._session)
            self.pairs.append((before, seen))
            if seen != clock:
                clock, since = seen, now
            self.longest_gap_s = max(self.longest_gap_s, now - since)


# What is known of the inside of a session.


def sample_clock(session: Session) -> int:
    """Give the count of samples that were given to the device."""
    return int(session.segment["stream"][0]["clock"])


def played(session: Session, begin: int, end: int) -> np.ndarray:
    """Give what the session itself keeps of its output between two samples of the clock, left channel."""
    history = session.segment["history"]
    return np.asarray(history[np.arange(begin, end) % len(history), 0])


def deck_pid(session: Session, letter: str) -> int:
    """Give the process id of a deck, 0 while it has none."""
    process = session.rack.players[letter].process
    return process.pid if process is not None and process.alive else 0


def deck_underruns(session: Session, letter: str) -> int:
    """Give how many frames of a deck came too late."""
    return session.rack.players[letter].underruns


def offline(path: Path, seconds: float, seed: int) -> np.ndarray:
    """Render what a deck with every knob at its default plays [shape=(channels, samples)], without a session."""
    from realtime.engine.engine import Engine

    engine = Engine(path, RATE, seed=seed)
    engine.settle()
    return np.concatenate([engine.next() for _ in range(int(seconds * RATE / engine.hop))], axis=1)


def through_the_mixer(audio: np.ndarray, gain: float) -> np.ndarray:
    """Do to one channel what the mixer does to all that it plays: a gain, and a high-pass of first order at 5 Hz."""
    from scipy.signal import lfilter

    pole = 1.0 - 2.0 * np.pi * 5.0 / RATE
    return np.asarray(lfilter([1.0, -1.0], [1.0, -pole], gain * audio.astype(float)))
