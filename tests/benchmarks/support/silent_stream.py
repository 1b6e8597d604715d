"""A PortAudio stream that plays silence in a process of its own: its underruns are the machine's, not the program's."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from types import TracebackType
from typing import Any, Self

import numpy as np

RATE = 48_000
OUTPUT_UNDERFLOW = 4  # PortAudio's flag
CHANNELS = 2


class SilentStream:
    """The stream's process, running while the context lasts."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
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
        """Return the underruns since `begin`."""
        return self.underruns() - self._before

    def underruns(self) -> int:
        """Return how many underruns PortAudio has reported to it."""
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


def main() -> None:
    """Play silence from compiled code, and answer each line with the number of underruns."""
    import numba
    import sounddevice as sd
    from numba import cfunc
    from numba import types as numba_types

    types: Any = numba_types  # numba is only partly typed
    carray: Any = numba.carray  # type: ignore[attr-defined]
    fill = ctypes.CDLL(None).memset
    fill.restype, fill.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]

    @cfunc(
        types.intc(types.voidptr, types.voidptr, types.ulong, types.voidptr, types.ulong, types.CPointer(types.int64))
    )
    def callback(_input: Any, output: Any, frames: int, _time: Any, flags: int, into: Any) -> int:
        fill(output, 0, 4 * CHANNELS * frames)
        if flags & OUTPUT_UNDERFLOW:
            carray(into, (1,))[0] += 1
        return 0

    count = np.zeros(1, np.int64)
    hosts = (host["default_output_device"] for host in sd.query_hostapis())
    stream = sd._StreamBase(
        "output",
        samplerate=RATE,
        blocksize=0,
        device=next(device for device in hosts if device >= 0),
        channels=CHANNELS,
        dtype="float32",
        latency="low",
        extra_settings=None,
        callback=sd._ffi.cast("PaStreamCallback*", callback.address),
        finished_callback=None,
        clip_off=True,
        dither_off=True,
        never_drop_input=None,
        prime_output_buffers_using_stream_callback=None,
        userdata=sd._ffi.cast("void*", count.ctypes.data),
        wrap_callback=None,
    )
    stream.start()
    for _ in sys.stdin:
        print(int(count[0]), flush=True)


if __name__ == "__main__":
    main()
