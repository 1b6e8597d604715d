"""The layout of shared memory, byte for byte.

Each session has one stream segment (clock, meters, counters, parameter values, the history of the output), and each
deck one deck segment (its audio ring, its event ring, its state). Every field has one writer, named here. Ring indices
are published with fences by `realtime.ipc.rings`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

VERSION = 5
LETTERS = ("a", "b")  # the decks
MAX_PARAMETERS = 2048  # of a deck, the host's included
MAX_LATENTS = 256
MAX_CHANNELS = 8
SLOTS = 4
HISTORY = 1 << 18
EVENTS = 1 << 13
COMMANDS = 1 << 10
PENDING = 1 << 10  # commands for later that the callback holds
LOG = 1 << 12
RING = 1 << 15
MIX_FRAMES = 256  # frames that the callback mixes at once
MUTE_MS = 8.0

# What stands in an event in the place of a parameter.
CAPTURE = -1  # keep the state of the engine under the number that the value gives
RESTORE = -2  # go on from the state of that number
RAMP = -3  # the parameters that follow take so many ms to their value, until it is 0 again
SEEK_INPUT = -4  # from here on the live input is read at that sample of the clock (only told, never asked)

# What a command tells the callback, and what its log tells of it.
GAIN, MUTE, FADE = 1, 2, 3  # value: linear; 0 or 1; the slot's gain
PLUGGED, OPENED, UNDERRUN = 4, 5, 6  # a slot was seen for the first time; its ring is heard from here on; ran out here
UNPLUGGED = 7  # a slot is empty from here on

# One cache line for each index of a ring, so that reader and writer don't fight over it.
READ, WRITE, INDEX_WORDS = 0, 8, 16

# The stream: `clock` counts the samples given to the device, and is the time line of everything.
STREAM = np.dtype(
    [
        # written by the callback
        ("clock", "i8"),
        ("input_clock", "i8"),  # samples of the live input that have come; ahead of the clock while a block is played
        ("callbacks", "i8"),
        ("device_underruns", "i8"),  # what PortAudio reported: the device came too late for us, or we for it
        ("nonfinite", "i8"),  # samples that were not numbers, played as silence
        ("limited", "i8"),  # blocks in which the limiter had work
        ("mute_gain", "f8"),
        ("master_gain", "f8"),
        ("limiter_gain", "f8"),
        ("largest_block", "i8"),  # frames; a device may vary them
        ("gain", "f8"),  # linear, where master_gain goes
        ("mute", "i8"),
        ("pending", "i8"),  # commands that wait for their sample
        ("lost_log", "i8"),  # what was done and found no room in the log
        # written by the device process before it plays
        ("sample_rate", "f8"),
        ("channels", "i8"),  # of the device
        ("inputs", "i8"),  # of the device
        # written by the host
        ("block", "i8"),
        ("osc_messages", "i8"),
        ("osc_bad", "i8"),
        ("osc_unknown", "i8"),
        ("stopping", "i8"),
    ],
    align=True,
)

# A mixer slot, which ties a deck to the callback. Addresses are the deck segment's in the device process.
SLOT = np.dtype(
    [
        # written by the device process
        ("active", "i8"),  # last of all; everything below is read only while it is 1
        ("letter", "i8"),
        ("index_address", "i8"),
        ("ring_address", "i8"),
        ("deck_address", "i8"),
        ("capacity", "i8"),
        ("channels", "i8"),
        # first written by the device process, then by the callback
        ("target", "f8"),  # the gain to go to
        ("step", "f8"),  # how far the gain goes in a sample
        ("gain", "f8"),
        ("seen", "i8"),
        ("fade", "f8"),  # 0 silent, 1 open: follows the deck's underruns
        ("waiting", "i8"),  # 1 while the ring fills again
        ("tail", "f8"),  # what is left of the fade out that covers a missing frame, 1 to 0
        ("tail_level", "f8"),  # how loud it began
        ("tail_frame", "i8"),  # the frame of the ring that it plays next, backwards
    ],
    align=True,
)

# What the callback keeps for a channel from block to block, and nobody else reads: the DC filter's last samples.
FILTER = np.dtype([("last_in", "f8"), ("last_out", "f8")], align=True)

DECK = np.dtype(
    [
        # written by the callback
        ("play_offset", "i8"),  # clock minus frames read: where on the time line the ring's next frame sounds
        ("underruns", "i8"),
        ("missing", "i8"),  # frames that were not there when they were due
        # written by the deck
        ("ready", "i8"),
        ("frames", "i8"),  # latent frames decoded
        ("captured", "i8"),  # number of the state that was kept last
        ("lost_done", "i8"),  # events that were done and found no room in the log
        ("problems", "i8"),  # sentences about effects, so far; the last one stands in `problem`
        ("input_jumps", "i8"),  # times that the live input came too late, or too early
        ("input_delay", "i8"),  # samples from the live input to the sound that it makes, or itself
        ("events", "i8"),  # events applied
        ("nonfinite", "i8"),  # frames muted because the model gave no numbers
        ("fill", "f8"),  # frames that were still in the ring when a hop was begun, smoothed
        ("decode_ms", "f8"),  # what a hop costs, smoothed
        ("worst_ms", "f8"),
        ("deadline_ms", "f8"),
        ("delay", "i8"),  # samples by which the sound lags its latent inside the deck
        ("priority", "i8"),  # real-time priority it got, 0 for none
        ("hop", "i8"),  # at the stream's rate
        # written by the host
        ("number", "i8"),  # counts the decks of a session
        ("lookahead", "i8"),  # audio frames to keep in the ring
        ("stop", "i8"),
        ("lost_events", "i8"),  # events that found the ring full
    ],
    align=True,
)

EVENT = np.dtype([("sample", "i8"), ("parameter", "i8"), ("value", "f8")], align=True)

# What a deck has done: an event with the frame before which it acted. `sample` is where that frame sounds.
DONE = np.dtype([("frame", "i8"), ("sample", "i8"), ("parameter", "i8"), ("value", "f8")], align=True)

# What the host asks of the callback, at a sample of the clock (0 for at once), and the callback's note of what it did.
# `over` is the time of a fade in samples, or a slot's step when it is plugged; `number` is the number of the deck that
# was plugged, or the frame of its ring that is next.
COMMAND = np.dtype(
    [("sample", "i8"), ("kind", "i8"), ("slot", "i8"), ("value", "f8"), ("over", "f8"), ("number", "i8")],
    align=True,
)

METERS = np.dtype([("peak", "f8"), ("power", "f8")], align=True)
HEAD_BYTES = 256  # of a segment: its geometry as JSON


@dataclass(frozen=True)
class Geometry:
    """The sizes that both sides of a segment must agree on; stands as JSON at the segment's start."""

    kind: str
    channels: int
    capacity: int
    inputs: int = 0  # channels of the live input
    version: int = VERSION


def fields(geometry: Geometry) -> dict[str, tuple[Any, tuple[int, ...]]]:
    """Give the arrays of a segment in their order: name, and dtype and shape."""
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
            "bus": ("f4", (len(LETTERS), MIX_FRAMES, MAX_CHANNELS)),  # the callback's scratch
            "outputs": ("i8", (MAX_CHANNELS,)),  # the device's channel of each of ours
            "input_map": ("i8", (MAX_CHANNELS,)),
            "history": ("f4", (geometry.capacity, geometry.channels)),  # what was heard
            "stems": (
                "f4",
                (geometry.capacity, len(LETTERS), geometry.channels),
            ),  # of each deck, before the master
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
    """Give the size of a segment in bytes."""
    return HEAD_BYTES + sum(
        padded(math.prod(shape) * np.dtype(dtype).itemsize) for dtype, shape in fields(geometry).values()
    )


def padded(nbytes: int) -> int:
    """Round a size up to whole cache lines of 64 bytes."""
    return (nbytes + 63) // 64 * 64
