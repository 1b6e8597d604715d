"""The layout of shared memory, byte for byte.

A session has one stream segment (clock, meters, counters, parameter values, history of the output), and each deck has a
deck segment (audio ring, event ring, telemetry). Every field has one writer, which is named here. Ring indices are
published by `realtime.ipc.rings`. Positions and lengths are in samples unless another unit is named.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

VERSION = 5
LETTERS = ("a", "b")  # places where a model plays
MAX_PARAMETERS = 2048  # of a letter, with the host's
MAX_LATENTS = 256
MAX_CHANNELS = 8
SLOTS = 4  # of the mixer, two for each letter
HISTORY = 1 << 18  # audio frames of output and input that are kept
EVENTS = 1 << 13  # length of a deck's event ring, and of its log
COMMANDS = 1 << 10  # length of the callback's command ring
PENDING = 1 << 10  # commands for later that the callback holds
LOG = 1 << 12  # length of the callback's log
RING = 1 << 15  # smallest length of a deck's audio ring
MIX_FRAMES = 256  # audio frames that the callback mixes at once
MUTE_MS = 8.0  # time of a mute or unmute

# Values of an event's `parameter` that are no index of a parameter.
CAPTURE = -1  # capture the state of the engine under the number in `value`
RESTORE = -2  # continue from the state of that number
RAMP = -3  # the parameters that follow take `value` ms to reach their values, until a RAMP of 0
SEEK_INPUT = -4  # live input is read from sample position `value` on (only in a deck's log)

# Kinds of commands for the callback; they are logged when they are applied.
GAIN, MUTE, FADE = 1, 2, 3  # value: linear gain; 0 or 1; gain of the slot
# Kinds of entries that the callback logs by itself.
PLUGGED = 4  # a deck was plugged into a slot
OPENED = 5  # a deck's ring holds the look-ahead and is played from here on
UNDERRUN = 6  # a deck's ring ran empty
UNPLUGGED = 7  # a slot was emptied

# One cache line for each index of a ring, so that reader and writer don't contend for one.
READ, WRITE, INDEX_WORDS = 0, 8, 16

# The stream. `clock` counts the samples given to the device; every sample position refers to it.
STREAM = np.dtype(
    [
        # written by the callback
        ("clock", "i8"),
        ("input_clock", "i8"),  # samples of live input received; ahead of the clock while a block is played
        ("callbacks", "i8"),
        ("device_underruns", "i8"),  # reported by PortAudio: a block was late
        ("nonfinite", "i8"),  # samples that were NaN or infinite, played as silence
        ("limited", "i8"),  # blocks in which the limiter acted
        ("mute_gain", "f8"),
        ("master_gain", "f8"),
        ("limiter_gain", "f8"),
        ("largest_block", "i8"),  # the device may vary its blocks
        ("gain", "f8"),  # linear, the target of master_gain
        ("mute", "i8"),  # 1 while muted, the target of mute_gain
        ("pending", "i8"),  # commands waiting for their sample position
        ("lost_log", "i8"),  # entries that found the log full
        # written by the device process before it plays
        ("sample_rate", "f8"),  # Hz
        ("channels", "i8"),  # of the device
        ("inputs", "i8"),  # of the device
        # written by the host
        ("block", "i8"),
        ("osc_messages", "i8"),
        ("osc_bad", "i8"),
        ("osc_unknown", "i8"),
        ("stopping", "i8"),  # 1 once the session ends
    ],
    align=True,
)

# A mixer slot, by which the callback finds a deck. Addresses are those of the deck's segment in the device process.
SLOT = np.dtype(
    [
        # written by the device process
        ("active", "i8"),  # written last; everything below is read only while it is 1
        ("letter", "i8"),  # index in LETTERS
        ("index_address", "i8"),
        ("ring_address", "i8"),
        ("deck_address", "i8"),
        ("capacity", "i8"),
        ("channels", "i8"),
        # first written by the device process, then by the callback
        ("target", "f8"),  # gain to reach, linear
        ("step", "f8"),  # change of the gain per sample
        ("gain", "f8"),
        ("seen", "i8"),  # 1 once the callback has logged the deck
        ("fade", "f8"),  # gain after an underrun, 0 to 1
        ("waiting", "i8"),  # 1 while the ring is filling up to the look-ahead
        ("tail", "f8"),  # remaining fade-out after an underrun, 1 to 0
        ("tail_level", "f8"),  # its gain at the beginning
        ("tail_frame", "i8"),  # frame of the ring that it plays next, going backwards
    ],
    align=True,
)

# The state of the DC filter for a channel, private to the callback.
FILTER = np.dtype([("last_in", "f8"), ("last_out", "f8")], align=True)

DECK = np.dtype(
    [
        # written by the callback
        ("play_offset", "i8"),  # clock minus frames read: add it to a position in the ring for its sample position
        ("underruns", "i8"),
        ("missing", "i8"),  # audio frames that were not ready when they were due
        # written by the deck
        ("ready", "i8"),  # 1 once the ring is filled for the first time
        ("frames", "i8"),  # latent frames decoded
        ("captured", "i8"),  # number of the state that was captured last
        ("lost_done", "i8"),  # events that found the log full
        ("problems", "i8"),  # problems of effects so far; the last one is in `problem`
        ("input_jumps", "i8"),  # jumps of the read position in the live input
        ("input_delay", "i8"),  # samples from the live input to its output
        ("events", "i8"),  # events applied
        ("nonfinite", "i8"),  # frames muted because the model gave NaN or infinity
        ("fill", "f8"),  # audio frames in the ring when a hop is begun, smoothed
        ("decode_ms", "f8"),  # time to decode a hop, smoothed
        ("worst_ms", "f8"),  # the longest one, decaying slowly
        ("deadline_ms", "f8"),  # duration of a hop
        ("delay", "i8"),  # samples by which the sound lags its latent inside the engine
        ("priority", "i8"),  # real-time priority that was granted, 0 for none
        ("hop", "i8"),  # samples, at the stream's rate
        # written by the host
        ("number", "i8"),  # of the deck, unique in the session
        ("lookahead", "i8"),  # audio frames to keep in the ring
        ("stop", "i8"),  # 1 to end the deck's loop
        ("lost_events", "i8"),  # events that found the ring full
    ],
    align=True,
)

EVENT = np.dtype([("sample", "i8"), ("parameter", "i8"), ("value", "f8")], align=True)

# An event that a deck has applied, with the number of the frame before which it was applied, and its sample position.
DONE = np.dtype([("frame", "i8"), ("sample", "i8"), ("parameter", "i8"), ("value", "f8")], align=True)

# A command for the callback, at a sample position (0 for at once), or an entry of the callback's log. `over` is the
# time of a FADE in samples, or the step of a PLUGGED slot's gain; `number` is the deck that was PLUGGED, or the next
# frame of the ring that has OPENED or had an UNDERRUN.
COMMAND = np.dtype(
    [("sample", "i8"), ("kind", "i8"), ("slot", "i8"), ("value", "f8"), ("over", "f8"), ("number", "i8")],
    align=True,
)

# Meters of a channel: peak as amplitude, power as mean square.
METERS = np.dtype([("peak", "f8"), ("power", "f8")], align=True)
HEAD_BYTES = 256  # at the beginning of a segment, for its geometry as JSON


@dataclass(frozen=True)
class Geometry:
    """The sizes of a segment, stored as JSON at its beginning.

    Attributes
    ----------
    kind : str
        `stream` or `deck`.
    channels : int
        Of the audio.
    capacity : int
        Audio frames of the history or of the ring.
    inputs : int
        Channels of the live input.
    version : int
        Of the layout.
    """

    kind: str
    channels: int
    capacity: int
    inputs: int = 0
    version: int = VERSION


def fields(geometry: Geometry) -> dict[str, tuple[Any, tuple[int, ...]]]:
    """Return the arrays of a segment, in their order, with dtype and shape by name."""
    if geometry.kind == "stream":
        return {
            "stream": (STREAM, (1,)),
            "slots": (SLOT, (SLOTS,)),
            "filters": (FILTER, (MAX_CHANNELS,)),
            "meters": (METERS, (MAX_CHANNELS,)),
            "input_meters": (METERS, (MAX_CHANNELS,)),
            "values": ("f8", (len(LETTERS) * MAX_PARAMETERS,)),
            "command_index": ("i8", (INDEX_WORDS,)),
            "commands": (COMMAND, (COMMANDS,)),
            "pending": (COMMAND, (PENDING,)),
            "log_index": ("i8", (INDEX_WORDS,)),
            "log": (COMMAND, (LOG,)),
            "bus": ("f4", (len(LETTERS), MIX_FRAMES, MAX_CHANNELS)),  # the callback's scratch: the sum of each letter
            "outputs": ("i8", (MAX_CHANNELS,)),  # the device's channel for each of ours
            "input_map": ("i8", (MAX_CHANNELS,)),
            "history": ("f4", (geometry.capacity, geometry.channels)),  # the output, in a ring by sample position
            "stems": (
                "f4",
                (geometry.capacity, len(LETTERS), geometry.channels),
            ),  # of each letter, before the master
            "input": ("f4", (geometry.capacity, geometry.inputs)),
            "info": ("u1", (1 << 16,)),
        }
    return {
        "deck": (DECK, (1,)),
        "ring_index": ("i8", (INDEX_WORDS,)),
        "event_index": ("i8", (INDEX_WORDS,)),
        "events": (EVENT, (EVENTS,)),
        "done_index": ("i8", (INDEX_WORDS,)),
        "done": (DONE, (EVENTS,)),
        "latents": ("f4", (MAX_LATENTS,)),
        "problem": ("u1", (512,)),
        "ring": ("f4", (geometry.capacity * geometry.channels,)),
    }


def size(geometry: Geometry) -> int:
    """Return the size of a segment in bytes."""
    return HEAD_BYTES + sum(
        padded(math.prod(shape) * np.dtype(dtype).itemsize) for dtype, shape in fields(geometry).values()
    )


def padded(nbytes: int) -> int:
    """Round a size in bytes up to whole cache lines of 64 bytes."""
    return (nbytes + 63) // 64 * 64
