"""A substitute for the host: real segments, a running clock, a UDP socket for OSC.

For tests of the window that set the contents of shared memory, garbage included; the real host has its own tests.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np
from pythonosc.osc_packet import OscPacket

from export.format.io import load
from realtime.ipc.memory_layout import HISTORY, RING, Geometry
from realtime.ipc.segment_registry import SegmentRegistry
from realtime.ipc.segments import Segment
from realtime.params import table as params

RATE = 48_000
BLOCK = 128


class FakeHost:
    """A host with figures that tests can set.

    Parameters
    ----------
    model
        The model file that it claims to play.
    folder
        Folder of its registry of segments.
    channels
        Number of output channels.
    sound : np.ndarray [shape=(samples, channels)], optional
        Looped in real time. Default: only the samples given to `play`.
    """

    def __init__(self, model: Path, folder: Path, *, sound: np.ndarray | None = None, channels: int = 2) -> None:
        self._registry = SegmentRegistry(folder)
        self.table = params.table(load(model)[1])
        self.segment = Segment.create(Geometry("stream", channels, HISTORY), self._registry)
        self.deck = Segment.create(Geometry("deck", 1, RING), self._registry)
        self.name = self.segment.name
        self.stream = self.segment["stream"][0]
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.received: list[tuple[str, tuple[float, ...]]] = []
        self._news = threading.Condition()
        self._ends = threading.Event()
        for row in self.table.by_index:
            self.segment["values"][row.index] = row.default
        for key, value in {"sample_rate": RATE, "block": BLOCK, "channels": 2, "gain": 1.0}.items():
            self.stream[key] = value
        deck = self.deck["deck"][0]
        for key, value in {"ready": 1, "decode_ms": 0.61, "worst_ms": 1.38, "deadline_ms": 5.33, "hop": 256}.items():
            deck[key] = value
        self.info = {
            "pid": os.getpid(),
            "model": str(model),
            "model_name": load(model)[1].name,
            "device": "null device",
            "osc": list(self.socket.getsockname()),
            "decks": {"a": self.deck.name},
            "latency": {"parts": [["decode ahead", 5.3], ["inversion", 1.3], ["device", 2.7]], "total_ms": 9.3},
            "sample_rate": RATE,
            "block": BLOCK,
        }
        self.segment.write_info(self.info)
        self._sound = sound
        self._threads = [threading.Thread(target=self._listen, daemon=True)]
        if sound is not None:
            self._threads.append(threading.Thread(target=self._pace, daemon=True))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self.socket.sendto(b"", self.socket.getsockname())  # wakes the listener, so that it ends
        for thread in self._threads:
            thread.join(5)
        self.socket.close()
        del self.stream
        self.deck.close()
        self.segment.close()
        self._registry.close()

    def play(self, samples: np.ndarray) -> None:
        """Write samples into the history, as the callback does: [shape=(samples,) or (samples, channels)]."""
        if samples.ndim == 1:
            samples = np.stack([samples] * self.segment.geometry.channels, axis=1)
        history, clock = self.segment["history"], int(self.stream["clock"])
        place = np.arange(clock, clock + len(samples)) % HISTORY
        history[place[-HISTORY:]] = samples[-HISTORY:]
        recent = np.abs(samples[-1024:])
        meters = self.segment["meters"][: samples.shape[1]]
        meters["peak"] = recent.max(axis=0, initial=0)
        meters["power"] = np.square(samples[-4096:]).mean(axis=0) if len(samples) else 0
        self.stream["clock"] = clock + len(samples)

    def set(self, address: str, value: float) -> None:
        """Change a parameter, as another controller would."""
        self.segment["values"][self.table[address].index] = value

    def value(self, address: str) -> float:
        """Read a parameter."""
        return float(self.segment["values"][self.table[address].index])

    def wait_for(self, ready: Callable[[], bool], *, seconds: float = 10.0) -> bool:
        """Wait until received OSC makes a condition true."""
        with self._news:
            return self._news.wait_for(ready, seconds)

    def values_of(self, address: str) -> list[float]:
        """List the values received for an address."""
        return [values[0] for to, values in self.received if to == address]

    def _listen(self) -> None:
        while not self._ends.is_set():
            data = self.socket.recv(65_536)
            if not data:
                continue
            messages = [timed.message for timed in OscPacket(data).messages]
            with self._news:
                for message in messages:
                    self.received.append((message.address, tuple(message.params)))
                    row = self.table[message.address]
                    if row.kind != "trigger" and not self._ends.is_set():
                        self.set(row.address, row.clip(message.params[0]))
                    self.stream["osc_messages"] += 1
                self._news.notify_all()

    def _pace(self) -> None:
        assert self._sound is not None
        began, played = time.monotonic(), 0
        rng = np.random.default_rng(0)
        phase = rng.uniform(0, 2 * np.pi, 64)
        latents = self.deck["latents"]
        while not self._ends.wait(BLOCK / RATE * 2):
            due = int((time.monotonic() - began) * RATE) // BLOCK * BLOCK
            place = np.arange(played, due) % len(self._sound)
            self.play(self._sound[place])
            played = due
            t, count = played / RATE, min(len(self.table.latents), 64)
            manual = [self.value(row.address) for row in self.table.latents[:count]]
            k = np.arange(count)
            latents[:count] = manual + 0.9 * np.sin(t * (0.3 + 0.07 * k) + phase[:count])


def tone(frequency: float, seconds: float = 1.0, level: float = 0.5) -> np.ndarray:
    """A sine that loops without a seam if it has a whole number of periods: float32 [shape=(samples,)]."""
    t = np.arange(round(seconds * RATE)) / RATE
    return (level * np.sin(2 * np.pi * frequency * t)).astype(np.float32)


def music(seconds: float = 16.0) -> np.ndarray:
    """Make a sound for pictures: gliding harmonic tones, plucks and some noise, [shape=(samples, 2)]."""
    rng = np.random.default_rng(4)
    count = round(seconds * RATE)
    t = np.arange(count) / RATE
    out = np.zeros((count, 2))
    notes = np.array([55, 82.4, 110, 146.8, 164.8, 220, 246.9, 329.6])
    for voice in range(3):
        steps = rng.choice(notes, 9) * 2 ** (voice * 0.5)
        pitch = np.exp(np.interp(t, np.linspace(0, seconds, 9), np.log(steps)))
        pitch *= 1 + 0.006 * np.sin(2 * np.pi * 5.1 * t + voice)
        turn = 2 * np.pi * np.cumsum(pitch) / RATE
        bright = 0.5 + 0.45 * np.sin(2 * np.pi * t * (0.11 + 0.05 * voice) + voice)
        swell = np.clip(np.sin(2 * np.pi * t * (0.09 + 0.04 * voice) + 2 * voice), 0.05, 1)
        part = sum(np.sin(h * turn) * bright ** (0.28 * h) / h * (pitch * h < 19_000) for h in range(1, 36))
        out += (0.11 * swell * part)[:, None] * np.array([[0.9 - 0.25 * voice, 0.4 + 0.25 * voice]])
    for start in np.arange(0.4, seconds - 1.2, 0.8):
        n = round(1.1 * RATE)
        at, s = round(start * RATE), np.arange(n) / RATE
        hz = rng.choice(notes) * 4
        pluck = sum(np.sin(2 * np.pi * hz * h * s) * np.exp(-s * (3 + 2.2 * h)) / h for h in range(1, 14))
        out[at : at + n] += (0.12 * pluck)[:, None]
        hiss = rng.standard_normal(n) * np.exp(-s * 30)
        out[at : at + n] += (0.03 * hiss)[:, None]
    fade = np.minimum(1, np.minimum(t, seconds - t) / 0.05)
    return (out * fade[:, None]).astype(np.float32)
