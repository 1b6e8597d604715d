"""Ring buffers in shared memory, each with one writer and one reader.

The indices of a ring count entries since the beginning and never wrap (an int64 lasts six million years at 48 kHz). The
writer fills in the entries and publishes its index with a *release* store; the reader loads it with an *acquire*, so
that it never sees an index before its entries. x86 works without these fences, ARM doesn't.

All functions are compiled, take plain arrays, and run without a lock and without the interpreter.

Their arguments: `indices` [shape=(INDEX_WORDS,), int64] holds the ring's `READ` and `WRITE` index; the entries are in
an array of their own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from realtime.ipc.compiled import compiled
from realtime.ipc.memory_layout import READ, WRITE


def _load_acquire(_typing: Any, indices: Any, at: Any) -> Any:

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.load_atomic(builder.gep(data, [arguments[1]]), "acquire", 8)

    return types.int64(indices, types.int64), generate


# load_acquire(indices, at): read `indices[at]`, with everything written before it was published visible.
load_acquire: Any = intrinsic(_load_acquire)


def _store_release(_typing: Any, indices: Any, at: Any, value: Any) -> Any:

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        builder.store_atomic(arguments[2], builder.gep(data, [arguments[1]]), "release", 8)
        return context.get_dummy_value()

    return types.void(indices, types.int64, types.int64), generate


# store_release(indices, at, value): publish `value` at `indices[at]` after everything written before.
store_release: Any = intrinsic(_store_release)


@compiled
def fill(indices: np.ndarray) -> int:
    """Return the number of entries (audio frames, events) in a ring."""
    return load_acquire(indices, WRITE) - load_acquire(indices, READ)


@compiled
def push_audio(indices: np.ndarray, ring: np.ndarray, channels: int, audio: np.ndarray) -> bool:
    """Append audio, all of it or, if it doesn't fit, none.

    Parameters
    ----------
    indices
        Of the ring.
    ring : np.ndarray [shape=(capacity * channels,)], float32
        Interleaved.
    channels
        Of the ring.
    audio : np.ndarray [shape=(channels, frames)], float32
        To append.

    Returns
    -------
    fitted : bool
    """
    frames = audio.shape[1]
    capacity = ring.size // channels
    write = indices[WRITE]
    if frames > capacity - (write - load_acquire(indices, READ)):
        return False
    for i in range(frames):
        at = ((write + i) % capacity) * channels
        for c in range(channels):
            ring[at + c] = audio[c, i]
    store_release(indices, WRITE, write + frames)
    return True


@compiled
def push_events(indices: np.ndarray, events: np.ndarray, batch: np.ndarray) -> bool:
    """Append events, which the reader sees all at once; return False, with none appended, if they don't fit."""
    write = indices[WRITE]
    if batch.size > events.size - (write - load_acquire(indices, READ)):
        return False
    for i in range(batch.size):
        events[(write + i) % events.size] = batch[i]
    store_release(indices, WRITE, write + batch.size)
    return True


@compiled
def pop_events(indices: np.ndarray, events: np.ndarray, into: np.ndarray) -> int:
    """Move the oldest entries of any dtype out of a ring, as many as `into` holds; return their number."""
    read = indices[READ]
    count = min(load_acquire(indices, WRITE) - read, into.size)
    for i in range(count):
        into[i] = events[(read + i) % events.size]
    store_release(indices, READ, read + count)
    return count


@compiled
def push_done(indices: np.ndarray, done: np.ndarray, frame: int, sample: int, parameter: int, value: float) -> bool:
    """Append an event that a deck applied before a frame to its log; return False if the log is full."""
    write = indices[WRITE]
    if write - load_acquire(indices, READ) >= done.size:
        return False
    entry = done[write % done.size]
    entry.frame = frame
    entry.sample = sample
    entry.parameter = parameter
    entry.value = value
    store_release(indices, WRITE, write + 1)
    return True


@compiled
def push_command(
    indices: np.ndarray,
    commands: np.ndarray,
    sample: int,
    kind: int,
    slot: int,
    value: float,
    over: float,
    number: int,
) -> bool:
    """Append a command, or an entry of the callback's log; return False if the ring is full."""
    write = indices[WRITE]
    if write - load_acquire(indices, READ) >= commands.size:
        return False
    command = commands[write % commands.size]
    command.sample = sample
    command.kind = kind
    command.slot = slot
    command.value = value
    command.over = over
    command.number = number
    store_release(indices, WRITE, write + 1)
    return True


@compiled
def clear(indices: np.ndarray) -> None:
    """Drop all entries of a ring; only the reader may call it."""
    store_release(indices, READ, load_acquire(indices, WRITE))
