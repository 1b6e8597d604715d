"""A client of JACK in a process of its own: plays a sound in a loop, and captures its inputs.

    python -m tests.jack_client NAME SOUND.npy INPUTS KEPT.npz

Its ports are `out_1` … and `in_1` …. It prints `ready` when it runs, and ends when its standard input is closed. The
captured input is then in `KEPT.npz`, with the server's time of the first frame that was captured and played. The
callback is compiled, so that it is as punctual as any.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import c_char_p, c_int, c_uint32, c_uint64, c_ulong, c_void_p

import numpy as np
from numba import carray, cfunc, types  # type: ignore[attr-defined]

KEPT_S = 40
AUDIO = b"32 bit float mono audio"
INPUT, OUTPUT = 1, 2
HEAD = 64  # numbers: client, outputs, inputs, length, room, first time, frames, late, where the samples are; then ports
PORTS = 9

_jack = ctypes.CDLL("libjack.so.0")
_jack.jack_client_open.restype, _jack.jack_client_open.argtypes = c_void_p, [c_char_p, c_int, c_void_p]
_jack.jack_port_register.restype = c_void_p
_jack.jack_port_register.argtypes = [c_void_p, c_char_p, c_char_p, c_ulong, c_ulong]
_jack.jack_set_process_callback.argtypes = [c_void_p, c_void_p, c_void_p]
for _name in ("jack_activate", "jack_client_close", "jack_get_sample_rate"):
    getattr(_jack, _name).argtypes = [c_void_p]
_buffer, _time = _jack.jack_port_get_buffer, _jack.jack_last_frame_time
_buffer.restype, _buffer.argtypes = c_uint64, [c_uint64, c_uint32]
_time.restype, _time.argtypes = c_uint32, [c_uint64]
_copy = ctypes.CDLL(None).memcpy
_copy.restype, _copy.argtypes = c_uint64, [c_uint64, c_uint64, c_uint64]


@cfunc(types.intc(types.uint32, types.CPointer(types.int64)))
def _process(frames, argument):  # type: ignore[no-untyped-def]
    head = carray(argument, (HEAD,))
    client, outputs, inputs, length, room, samples = (
        head[0],
        head[1],
        head[2],
        head[3],
        head[4],
        head[8],
    )
    now = np.int64(_time(client))
    if head[5] < 0:
        head[5] = now
    at = now - head[5]
    if at != head[6]:
        head[7] += 1
    for c in range(outputs):
        to, done = _buffer(head[PORTS + c], frames), 0
        while done < frames:
            begin = (at + done) % length
            count = min(frames - done, length - begin)
            _copy(to + 4 * done, samples + 4 * (c * length + begin), 4 * count)
            done += count
    for c in range(inputs):
        kept = outputs * length + c * room + at
        _copy(samples + 4 * kept, _buffer(head[PORTS + outputs + c], frames), 4 * max(min(frames, room - at), 0))
    head[6] = at + frames
    return 0


def main(name: str, path: str, inputs: int, kept: str) -> None:
    """Run a client until standard input ends."""
    sound = np.atleast_2d(np.load(path)).astype(np.float32)
    client = _jack.jack_client_open(name.encode(), 1, None)
    if not client:
        sys.exit("no JACK server")
    room = KEPT_S * _jack.jack_get_sample_rate(client)
    outputs, length = sound.shape
    head = np.zeros(HEAD, np.int64)
    samples = np.zeros(sound.size + inputs * room, np.float32)
    samples[: sound.size] = sound.ravel()
    ports = [_jack.jack_port_register(client, b"out_%d" % (c + 1), AUDIO, OUTPUT, 0) for c in range(outputs)]
    ports += [_jack.jack_port_register(client, b"in_%d" % (c + 1), AUDIO, INPUT, 0) for c in range(inputs)]
    head[:PORTS] = client, outputs, inputs, length, room, -1, 0, 0, samples.ctypes.data
    head[PORTS : PORTS + len(ports)] = ports
    _jack.jack_set_process_callback(client, _process.address, head.ctypes.data)
    _jack.jack_activate(client)
    print("ready", flush=True)
    sys.stdin.read()
    frames = min(int(head[6]), room)
    captured = samples[sound.size :].reshape(inputs, room)[:, :frames]
    np.savez(kept, captured=captured, began=head[5], late=head[7])
    _jack.jack_client_close(client)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
