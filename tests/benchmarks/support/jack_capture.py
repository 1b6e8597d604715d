"""A JACK client in a process of its own that captures the output of whatever plays.

    python -m tests.benchmarks.support.jack_capture SECONDS CHANNELS

It compiles, prints `{"armed": true}`, and reads commands. `open` joins the server, as soon as there is one, and
connects to all that is connected to the playback ports; `save PATH SETTLE_S` writes the capture and prints its
properties; the end of the input ends it. JACK calls compiled code, so that nothing is lost while the interpreter is
busy.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import selectors
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

POLL_S = 0.02
SETTLE_S = 0.3
CLIENT, CAPACITY, TAKEN, CYCLES, PORTS, HEAD = 0, 1, 2, 3, 4, 16  # places in the state that JACK's thread sees
PLAYBACK = "system:playback_{}"
AUDIO = b"32 bit float mono audio"
IS_INPUT, NO_START_SERVER, PLAYBACK_LATENCY = 1, 1, 1


@dataclass(frozen=True)
class CapturedSound:
    """A capture.

    Attributes
    ----------
    audio : np.ndarray [shape=(channels, samples)]
        NaN where JACK skipped a cycle of this client, so that the output of that cycle is unknown.
    rate, block
        Of the server, Hz and samples.
    holes
        How often JACK skipped cycles.
    playback_frames
        Latency of the playback port, as the server reports it, samples.
    moments : np.ndarray [shape=(n, 2)]
        Pairs of a sample and its time (`time.monotonic`, s).
    """

    audio: np.ndarray
    rate: float
    block: int
    holes: int
    playback_frames: int
    moments: np.ndarray

    def sample_at(self, moment: float) -> int:
        """Return the sample that was due at a time (`time.monotonic`)."""
        at, slope = self._line()
        return round((moment - at) / slope)

    def moment_of(self, sample: float) -> float:
        """Return the time (`time.monotonic`) of a sample within its cycle."""
        k = int(np.clip(np.searchsorted(self.moments[:, 0], sample), 1, len(self.moments) - 1))
        near = self.moments[k - 1 : k + 1]
        return float(near[0, 1] + (sample - near[0, 0]) / self.rate)

    def _line(self) -> tuple[float, float]:
        slope = 1.0 / self.rate
        return float(np.median(self.moments[:, 1] - slope * self.moments[:, 0])), slope


class Capture:
    """The client's process. Make it before it is needed: compiling takes a second.

    Parameters
    ----------
    folder
        For its files.
    seconds
        Longest capture.
    """

    def __init__(self, folder: Path, seconds: float, channels: int = 2) -> None:
        self._path = folder / f"captured-{time.monotonic_ns()}.npz"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.support.jack_capture", str(seconds), str(channels)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._answer()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def open(self) -> Self:
        """Join the server, and capture from now on."""
        self._say("open")
        self._answer()
        time.sleep(SETTLE_S)
        return self

    def begin_to_open(self) -> None:
        """Join a server that may not be there yet, without waiting; `opened` waits."""
        self._say("open")

    def opened(self) -> Self:
        """Wait until the server is joined, after `begin_to_open`."""
        self._answer()
        return self

    def save(self, settle_s: float = SETTLE_S) -> CapturedSound:
        """Stop, and return the capture since `open`, without the first moment in which JACK adds the new client."""
        self._say(f"save {self._path} {settle_s}")
        properties = self._answer()
        with np.load(self._path) as data:
            sound = CapturedSound(
                data["audio"],
                properties["rate"],
                properties["block"],
                properties["holes"],
                properties["playback_frames"],
                data["moments"],
            )
        self._path.unlink()
        self.close()
        return sound

    def close(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(3)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the capture process has ended; run python -m {__name__} to see why")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _library() -> Any:
    jack = ctypes.CDLL(ctypes.util.find_library("jack") or "libjack.so.0")
    handle, text, number = ctypes.c_size_t, ctypes.c_char_p, ctypes.c_uint32
    jack.jack_client_open.restype, jack.jack_client_open.argtypes = handle, [text, ctypes.c_int, ctypes.c_void_p]
    jack.jack_client_close.argtypes = [handle]
    jack.jack_port_register.restype = handle
    jack.jack_port_register.argtypes = [handle, text, text, ctypes.c_ulong, ctypes.c_ulong]
    jack.jack_set_process_callback.argtypes = [handle, ctypes.c_void_p, ctypes.c_void_p]
    jack.jack_activate.argtypes = [handle]
    jack.jack_port_get_buffer.restype, jack.jack_port_get_buffer.argtypes = handle, [handle, number]
    jack.jack_last_frame_time.restype, jack.jack_last_frame_time.argtypes = number, [handle]
    jack.jack_frame_time.restype, jack.jack_frame_time.argtypes = number, [handle]
    jack.jack_frames_to_time.restype, jack.jack_frames_to_time.argtypes = ctypes.c_uint64, [handle, number]
    jack.jack_get_time.restype = ctypes.c_uint64
    jack.jack_get_sample_rate.restype, jack.jack_get_sample_rate.argtypes = number, [handle]
    jack.jack_get_buffer_size.restype, jack.jack_get_buffer_size.argtypes = number, [handle]
    jack.jack_port_by_name.restype, jack.jack_port_by_name.argtypes = handle, [handle, text]
    jack.jack_port_get_all_connections.restype = ctypes.POINTER(text)
    jack.jack_port_get_all_connections.argtypes = [handle, handle]
    jack.jack_free.argtypes = [ctypes.c_void_p]
    jack.jack_connect.argtypes = [handle, text, text]
    jack.jack_port_connected_to.argtypes = [handle, text]
    jack.jack_port_get_latency_range.argtypes = [handle, ctypes.c_int, ctypes.c_void_p]
    return jack


class _Client:
    """The JACK client, and the memory that its cycles write to."""

    def __init__(self, seconds: float, channels: int) -> None:
        self._seconds, self._channels = seconds, channels
        self._jack = _library()
        self._callback = _compile(self._jack, channels)
        self._client = 0
        self.moments: list[tuple[int, float]] = []

    def open(self) -> None:
        jack = self._jack
        while not (client := jack.jack_client_open(b"capture", NO_START_SERVER, None)):
            time.sleep(0.02)
        self._client = client
        self.rate, self.block = int(jack.jack_get_sample_rate(client)), int(jack.jack_get_buffer_size(client))
        capacity = int(self._seconds * self.rate) // self.block * self.block
        self._audio = np.full((self._channels, capacity), 0, np.float32)
        self._state = np.zeros(HEAD + capacity // self.block + 1, np.int64)
        self._state[CLIENT], self._state[CAPACITY] = client, capacity
        for c in range(self._channels):
            port = jack.jack_port_register(client, f"in_{c + 1}".encode(), AUDIO, IS_INPUT, 0)
            self._state[PORTS + 2 * c : PORTS + 2 * c + 2] = port, self._audio[c].ctypes.data
        jack.jack_set_process_callback(client, self._callback.address, self._state.ctypes.data)
        jack.jack_activate(client)
        self.tend()

    def tend(self) -> None:
        """Connect to all that is connected to the playback ports, and note the time."""
        if not self._client:
            return
        jack, client = self._jack, self._client
        for c in range(self._channels):
            speaker = jack.jack_port_by_name(client, PLAYBACK.format(c + 1).encode())
            names = jack.jack_port_get_all_connections(client, speaker) if speaker else None
            if not names:
                continue
            ours = self._state[PORTS + 2 * c]
            k = 0
            while names[k]:  # asking the server for a connection that exists would hold up the sound
                if not jack.jack_port_connected_to(int(ours), names[k]):
                    jack.jack_connect(client, names[k], f"capture:in_{c + 1}".encode())
                k += 1
            jack.jack_free(names)
        frame = int(jack.jack_frame_time(client))
        offset = time.monotonic() - jack.jack_get_time() / 1e6
        self.moments.append((frame, jack.jack_frames_to_time(client, frame) / 1e6 + offset))

    def save(self, path: str, settle_s: float) -> dict[str, Any]:
        jack, state = self._jack, self._state
        low_high = (ctypes.c_uint32 * 2)()
        speaker = jack.jack_port_by_name(self._client, PLAYBACK.format(1).encode())
        jack.jack_port_get_latency_range(speaker, PLAYBACK_LATENCY, low_high)
        cycles = int(state[CYCLES])
        starts = state[HEAD : HEAD + cycles].copy()
        jack.jack_client_close(self._client)
        self._client = 0
        places = (starts - starts[0]) % (1 << 32)
        first = int(np.searchsorted(places, settle_s * self.rate))
        if first >= cycles:
            raise RuntimeError("nothing was captured")
        places -= places[first]
        began = int(starts[first])
        audio = np.full((self._channels, int(places[-1]) + self.block), np.nan, np.float32)
        holes = int(np.count_nonzero(np.diff(places[first:]) != self.block))
        where = (places[first:, np.newaxis] + np.arange(self.block)).reshape(-1)
        audio[:, where] = self._audio[:, first * self.block : cycles * self.block]
        since = [((frame - began + (1 << 31)) % (1 << 32) - (1 << 31), at) for frame, at in self.moments]
        np.savez(path, audio=audio, moments=np.array(since))
        return {"rate": self.rate, "block": self.block, "holes": holes, "playback_frames": int(low_high[1])}


def _compile(jack: Any, channels: int) -> Any:
    import numba
    from numba import cfunc
    from numba import types as numba_types

    types: Any = numba_types  # numba is only partly typed
    carray: Any = numba.carray  # type: ignore[attr-defined]
    memory = ctypes.CDLL(None).memcpy
    memory.restype, memory.argtypes = ctypes.c_size_t, [ctypes.c_size_t] * 3
    get_buffer, last_frame = jack.jack_port_get_buffer, jack.jack_last_frame_time

    @cfunc(types.intc(types.uint32, types.CPointer(types.int64)))
    def process(frames: Any, into: Any) -> int:
        state = carray(into, (HEAD,))
        taken: Any = state[TAKEN]
        if taken + frames <= state[CAPACITY]:
            cycles = carray(into, (HEAD + state[CYCLES] + 1,))
            cycles[HEAD + state[CYCLES]] = last_frame(state[CLIENT])
            for c in range(channels):
                memory(state[PORTS + 2 * c + 1] + 4 * taken, get_buffer(state[PORTS + 2 * c], frames), 4 * frames)
            state[TAKEN] = taken + frames
            state[CYCLES] += 1
        return 0

    return process


def main(arguments: Sequence[str]) -> None:
    """Capture; see the head of this module."""
    client = _Client(float(arguments[0]), int(arguments[1]))
    print(json.dumps({"armed": True}), flush=True)
    lines = selectors.DefaultSelector()
    lines.register(sys.stdin, selectors.EVENT_READ)
    while True:
        if not lines.select(POLL_S):
            client.tend()
            continue
        command, *words = sys.stdin.readline().split() or ["end"]
        if command == "open":
            client.open()
            print(json.dumps({"open": True}), flush=True)
        elif command == "save":
            print(json.dumps(client.save(words[0], float(words[1]))), flush=True)
        else:
            return


if __name__ == "__main__":
    main(sys.argv[1:])
