"""A stream that plays silence from compiled code, and answers each line with the underruns it has been told of."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numba
import numpy as np
import sounddevice as sd
from numba import cfunc
from numba import types as numba_types

types: Any = numba_types  # numba is only partly typed

RATE = 48_000
OUTPUT_UNDERFLOW = 4  # PortAudio's flag
CHANNELS = 2


def main() -> None:
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
