"""soak: a long time under a flood: 2,000 OSC messages and 1,000 MIDI messages a second, and a recording.

`{"seconds", "underruns", "device_underruns", "silent_device_underruns", "capture_holes", "longest_silence_ms", "load",
"memory_first_mb", "memory_end_mb", "memory_ratio", "osc_sent", "osc_lost", "midi_sent", "midi_lost",
"midi_lost_beside", "midi_restarts", "midi_coalesced", "recorded_s", "recording_lost"}`

The bundled model on JACK's dummy driver at 48 kHz, blocks of 64, for `SOAK_SECONDS` (default 600). OSC comes over UDP;
MIDI is controls of three bytes at the full rate of a DIN cable, from a port on JACK, mapped to latents. Each sender is
a process of its own. `silent_device_underruns` are those of a PortAudio stream that plays nothing beside ours: the
machine's own. Memory is that of all our processes together (proportional set size), after the first minute (or a tenth
of a shorter run) and at the end. Of MIDI, values that were overtaken by later ones of the same parameter are not lost;
`midi_lost_beside` is what JACK's own `jack_midi_dump` missed on the same cable: JACK drops the messages of a cycle for
each client that was late in it.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from tests.benchmarks._trial import RATE, Flow, Silence, alone, eventually, memory_mb, number
from tests.jack import JackServer

BLOCK, SECONDS, FIRST_S = 64, 600, 60.0
OSC_PER_S, MIDI_PER_S = 2000, 1000
DEVICE = "Soak"
SILENCE = 1e-5


def run() -> dict[str, Any]:
    """Play, in a process of its own."""
    return alone("soak")


def describe(result: dict[str, Any]) -> str:
    """Say it in lines."""
    return (
        f"{result['seconds']:.0f} s: {result['underruns']} underruns of ours, {result['device_underruns']} of the "
        f"device ({result['silent_device_underruns']} for a silent stream beside it), "
        f"load {100 * result['load']:.0f} %\n"
        f"memory {result['memory_first_mb']:.0f} MB after the first minute, {result['memory_end_mb']:.0f} MB at the "
        f"end ({result['memory_ratio']:.3f} times)\n"
        f"lost: {result['osc_lost']} of {result['osc_sent']} OSC messages, {result['midi_lost']} of "
        f"{result['midi_sent']} MIDI messages, {result['recording_lost']} frames of the recording"
    )


def measure() -> dict[str, Any]:
    """Play a session under both floods."""
    from realtime import Session
    from realtime.midi import Mapping, Source
    from tests.benchmarks._capture import Capture

    seconds = float(number("SOAK_SECONDS", SECONDS))
    first = min(FIRST_S, seconds / 10)
    with tempfile.TemporaryDirectory() as folder, JackServer(rate=RATE, block=BLOCK) as server:
        os.environ.update(server.environment)
        library = Path(folder) / "models"
        library.mkdir()
        with (
            Capture(Path(folder), seconds + 20.0, channels=1) as ear,
            Session(library=library, osc=("127.0.0.1", 0), midi=[DEVICE], record=Path(folder) / "take.wav") as session,
            Silence() as silence,
        ):
            assert session.osc is not None
            assert session.midi is not None
            assert session.recorder is not None
            latents = [f"/latent/{k + 1}" for k in range(session.card.latent.size)]
            for k in range(4):
                session.midi.map(Mapping(Source("cc", 20 + k), latents[-1 - k], pickup=False))
            midi = session.midi
            with (
                Flow("midi", DEVICE, MIDI_PER_S) as cable,
                _Dump(f"{DEVICE}:out", Path(folder) / "messages") as dump,
                Flow("osc", session.osc.port, OSC_PER_S, latents) as net,
            ):
                eventually(lambda: any(DEVICE in name for name in midi.ports.inputs.values()), "the MIDI port")
                ear.open()
                time.sleep(1.0)
                others = (ear.pid, silence.pid, cable.pid, net.pid, dump.pid)
                silence.begin()
                before, midi_before = session.status(), midi.counts.messages
                began = time.monotonic()
                cable.begin()
                net.begin()
                time.sleep(first)
                memory_first = memory_mb(others)
                time.sleep(seconds - first)
                memory_end = memory_mb(others)
                after, silent = session.status(), silence.since()
                took = time.monotonic() - began
                osc_sent, midi_sent = net.end(), cable.end()
            eventually(_settled(lambda: (session.status().osc_messages, midi.counts.messages)), "the senders' last")
            osc_came = session.status().osc_messages - before.osc_messages
            midi_came = midi.counts.messages - midi_before
            restarts = midi.restarts
            heard = ear.save()
            recorder = session.recorder
        level = np.abs(np.nan_to_num(heard.audio[0], nan=1.0))
        loud = np.flatnonzero(level > SILENCE)
        return {
            "seconds": round(took, 1),
            "underruns": after.underruns - before.underruns,
            "device_underruns": after.device_underruns - before.device_underruns,
            "silent_device_underruns": silent,
            "capture_holes": heard.holes,
            "longest_silence_ms": round(1e3 * int(np.diff(loud).max(initial=0)) / RATE, 1),
            "load": round(after.load, 3),
            "memory_first_mb": round(memory_first, 1),
            "memory_end_mb": round(memory_end, 1),
            "memory_ratio": round(memory_end / memory_first, 4),
            "osc_sent": osc_sent,
            "osc_lost": osc_sent - osc_came,
            "midi_sent": midi_sent,
            "midi_lost": midi_sent - midi_came,
            "midi_lost_beside": midi_sent - dump.count(),
            "midi_restarts": restarts,
            "midi_coalesced": midi.counts.coalesced,
            "recorded_s": round(recorder.written / RATE, 1),
            "recording_lost": recorder.lost,
        }


class _Dump:
    """JACK's own listener on a cable."""

    NAME = "beside"

    def __init__(self, port: str, into: Path) -> None:
        self._port, self._into = port, into

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def count(self) -> int:
        """Give how many messages it got, after the `with`."""
        with self._into.open() as lines:
            return sum(1 for _ in lines)

    def __enter__(self) -> Self:
        with self._into.open("w") as into:
            self._process = subprocess.Popen(["jack_midi_dump", self.NAME], stdout=into)
        eventually(lambda: self._connect().returncode == 0, "jack_midi_dump")
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()

    def _connect(self) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["jack_connect", self._port, f"{self.NAME}:input"], check=False, capture_output=True)


def _settled(count: Any) -> Any:
    """Make a condition: the count has not changed for half a second."""
    last, since = count(), time.monotonic()

    def settled() -> bool:
        nonlocal last, since
        now = count()
        if now != last:
            last, since = now, time.monotonic()
        return time.monotonic() - since > 0.5

    return settled


if __name__ == "__main__":
    print(json.dumps(measure()))
