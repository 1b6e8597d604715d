"""The arrays that the audio callback works on, and how compiled code gets them from their addresses.

`float32_at(address)` and its like convert an integer into a pointer, for `numba.carray`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import from_dtype
from numba import types as numba_types
from numba.extending import intrinsic

from realtime.ipc.memory_layout import COMMAND, DECK, FILTER, METERS, SLOT, STREAM

types: Any = numba_types  # numba is only partly typed


class MixArrays(NamedTuple):
    """The arrays of a stream segment that the callback uses; `realtime.ipc.memory_layout` describes each."""

    stream: np.ndarray
    slots: np.ndarray
    filters: np.ndarray
    meters: np.ndarray
    input_meters: np.ndarray
    command_index: np.ndarray
    commands: np.ndarray
    pending: np.ndarray
    log_index: np.ndarray
    log: np.ndarray
    bus: np.ndarray
    outputs: np.ndarray
    input_map: np.ndarray
    history: np.ndarray
    stems: np.ndarray
    input: np.ndarray


# The data that PortAudio passes to the callback: the address of each of these arrays, and their variable lengths.
ADDRESSES = np.dtype([(name, "i8") for name in (*MixArrays._fields, "capacity", "audio_channels", "input_channels")])


def _pointer(kind: Any) -> Any:
    """Make a compiled function that converts an integer address into a pointer to `kind`."""

    def at(_typing: Any, _address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.CPointer(kind)(types.int64), generate

    return intrinsic(at)


float32_at: Any = _pointer(types.float32)
int64_at: Any = _pointer(types.int64)
deck_at: Any = _pointer(from_dtype(DECK))
stream_at: Any = _pointer(from_dtype(STREAM))
slot_at: Any = _pointer(from_dtype(SLOT))
meters_at: Any = _pointer(from_dtype(METERS))
filter_at: Any = _pointer(from_dtype(FILTER))
command_at: Any = _pointer(from_dtype(COMMAND))


def _fence(_typing: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        builder.fence("release")
        return context.get_dummy_value()

    return types.void(), generate


release_fence: Any = intrinsic(_fence)
