"""soak: underruns, memory and lost messages in ten minutes with 2,000 OSC and 1,000 MIDI messages a second.

`{"seconds", "underruns", "device_underruns", "silent_device_underruns", "capture_holes", "longest_silence_ms", "load",
"memory_first_mb", "memory_end_mb", "memory_ratio", "osc_sent", "osc_lost", "midi_sent", "midi_lost",
"midi_lost_beside", "midi_restarts", "midi_coalesced", "recorded_s", "recording_lost"}`

The bundled model on JACK's dummy driver at 48 kHz, blocks of 64, for `SOAK_SECONDS` (default 600), recorded. OSC
arrives over UDP; MIDI is control changes at the full rate of a DIN cable, from a port on JACK, mapped to latents. Each
sender is a process of its own. `silent_device_underruns` are those of a PortAudio stream that plays silence: the
machine's own. Memory is that of all our processes together (proportional set size), after the first minute (or a tenth
of a shorter run) and at the end. MIDI values replaced by later ones of the same parameter are `midi_coalesced`, not
lost; `midi_lost_beside` is what JACK's own `jack_midi_dump` missed on the same cable: JACK drops the messages of a
cycle for each client that was late in it.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from tests.benchmarks.support.job import Figures, Job
from tests.benchmarks.support.message_flow import MessageFlow
from tests.benchmarks.support.session_probe import RATE, eventually, memory_mb
from tests.benchmarks.support.silent_stream import SilentStream
from tests.jack import JackServer

QUICK_S, FULL_S = 13, 625
LENGTHS = ("SOAK_SECONDS",)
BLOCK, SECONDS, QUICK_SECONDS, FIRST_S = 64, 600, 3, 60.0
OSC_PER_S, MIDI_PER_S = 2000, 1000
DEVICE = "Soak"
PROGRESS_S = 5.0
SILENCE = 1e-5


def run(job: Job) -> Figures:
    """Play in a process of its own."""
    return job.in_process(measure, partial=lambda figures: figures)


def describe(result: Figures) -> str:
    """Return the underruns, the memory and the losses."""
    return (
        f"{result['seconds']:.0f} s: {result['underruns']} underruns, {result['device_underruns']} of the "
        f"device ({result['silent_device_underruns']} of a silent stream beside it), "
        f"load {100 * result['load']:.0f} %\n"
        f"memory {result['memory_first_mb']:.0f} MB after the first minute, {result['memory_end_mb']:.0f} MB at the "
        f"end ({result['memory_ratio']:.3f} times)\n"
        f"lost: {result['osc_lost']} of {result['osc_sent']} OSC messages, {result['midi_lost']} of "
        f"{result['midi_sent']} MIDI messages, {result['recording_lost']} frames of the recording"
    )


def measure(job: Job) -> Figures:
    """Play a session under both floods."""
    from realtime import Session
    from realtime.midi import Mapping, Source
    from tests.benchmarks.support.jack_capture import Capture

    seconds = job.number("SOAK_SECONDS", quick=QUICK_SECONDS, full=SECONDS)
    first = min(FIRST_S, seconds / 10)
    with tempfile.TemporaryDirectory() as folder, JackServer(rate=RATE, block=BLOCK) as server:
        os.environ.update(server.environment)
        library = Path(folder) / "models"
        library.mkdir()
        with (
            Capture(Path(folder), seconds + 20.0, channels=1) as capture,
            Session(library=library, osc=("127.0.0.1", 0), midi=[DEVICE], record=Path(folder) / "take.wav") as session,
            SilentStream() as silence,
        ):
            assert session.osc is not None
            assert session.midi is not None
            assert session.recorder is not None
            latents = [f"/latent/{k + 1}" for k in range(session.card.latent.size)]
            for k in range(4):
                session.midi.map(Mapping(Source("cc", 20 + k), latents[-1 - k], pickup=False))
            midi = session.midi
            with (
                MessageFlow("midi", DEVICE, MIDI_PER_S) as cable,
                _Dump(f"{DEVICE}:out", Path(folder) / "messages") as dump,
                MessageFlow("osc", session.osc.port, OSC_PER_S, latents) as net,
            ):
                eventually(lambda: any(DEVICE in name for name in midi.ports.inputs.values()), "the MIDI port")
                capture.open()
                time.sleep(1.0)
                others = (capture.pid, silence.pid, cable.pid, net.pid, dump.pid)
                silence.begin()
                before, midi_before = session.status(), midi.counts.messages
                began = time.monotonic()
                cable.begin()
                net.begin()

                def so_far() -> Figures:
                    now = session.status()
                    return {
                        "seconds": round(time.monotonic() - began, 1),
                        "underruns": now.underruns - before.underruns,
                        "device_underruns": now.device_underruns - before.device_underruns,
                        "silent_device_underruns": silence.since(),
                        "load": round(now.load, 3),
                    }

                def play_until(end_s: float) -> None:
                    while (left := began + end_s - time.monotonic()) > 0:
                        time.sleep(min(left, PROGRESS_S))
                        job.partial(figures := so_far())
                        job.progress(f"playing, {figures['seconds']:.0f} s of {seconds:.0f} s")

                play_until(first)
                memory_first = memory_mb(others)
                play_until(seconds)
                memory_end = memory_mb(others)
                played = so_far()
                osc_sent, midi_sent = net.end(), cable.end()
            eventually(_settled(lambda: (session.status().osc_messages, midi.counts.messages)), "the last messages")
            osc_came = session.status().osc_messages - before.osc_messages
            midi_came = midi.counts.messages - midi_before
            restarts = midi.restarts
            sound = capture.save()
            recorder = session.recorder
        level = np.abs(np.nan_to_num(sound.audio[0], nan=1.0))
        loud = np.flatnonzero(level > SILENCE)
        return {
            **played,
            "capture_holes": sound.holes,
            "longest_silence_ms": round(1e3 * int(np.diff(loud).max(initial=0)) / RATE, 1),
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
    """JACK's own receiver on a cable."""

    NAME = "beside"

    def __init__(self, port: str, into: Path) -> None:
        self._port, self._into = port, into

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def count(self) -> int:
        """Return how many messages it received, after the context."""
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


def _settled(count: Callable[[], object]) -> Callable[[], bool]:
    """Return a condition: the count has not changed for half a second."""
    last, since = count(), time.monotonic()

    def settled() -> bool:
        nonlocal last, since
        now = count()
        if now != last:
            last, since = now, time.monotonic()
        return time.monotonic() - since > 0.5

    return settled
