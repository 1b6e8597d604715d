"""The audio callback: everything between the decks' rings and the device, compiled, without lock or allocation.

`mix` plays one block: it takes what the decks have decoded, fades where they are late, sums, filters DC, applies gain,
limits, mutes, measures, and keeps the history that recorder and window read. PortAudio calls it through
`portaudio_callback`; the null device and the tests call it from Python on the same arrays.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numba
import numpy as np
from numba import cfunc, from_dtype, njit
from numba import types as numba_types
from numba.extending import intrinsic

from realtime.memory import DECK, FILTER, INDEX_WORDS, METERS, MUTE_MS, READ, SLOT, SLOTS, STREAM, WRITE, Segment
from realtime.rings import load_acquire, store_release

types: Any = numba_types  # numba is only partly typed
carray: Any = numba.carray  # type: ignore[attr-defined]

FADE_MS = 5.0  # in and out of an underrun
GAIN_MS = 20.0
CEILING = 10 ** (-0.3 / 20)
RELEASE_MS = 100.0
DC_HZ = 5.0
PEAK_FALL_DB_PER_S = 20.0
RMS_MS = 300.0
OUTPUT_UNDERFLOW = 4  # PortAudio's flag


def _pointer(kind: Any) -> Any:
    """Make a compiled function that turns an integer address into a pointer to `kind`."""

    def at(_typing: Any, _address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.CPointer(kind)(types.int64), generate

    return intrinsic(at)


_float32_at: Any = _pointer(types.float32)
_int64_at: Any = _pointer(types.int64)
_deck_at: Any = _pointer(from_dtype(DECK))
_stream_at: Any = _pointer(from_dtype(STREAM))
_slot_at: Any = _pointer(from_dtype(SLOT))
_meters_at: Any = _pointer(from_dtype(METERS))
_filter_at: Any = _pointer(from_dtype(FILTER))


def _fence(_typing: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        builder.fence("release")
        return context.get_dummy_value()

    return types.void(), generate


_release: Any = intrinsic(_fence)


@njit(error_model="numpy", nogil=True, cache=True)
def _smooth(t: float) -> float:
    return t * t * (3.0 - 2.0 * t)


@njit(error_model="numpy", nogil=True, cache=True)
def _play(out: np.ndarray, frames: int, channels: int, slots: np.ndarray, at: int, clock: int, rate: float) -> None:
    """Add what one deck has to the block, and never step.

    A deck that comes too late is faded out from its last sample on: what was played last is played again backwards,
    out of the ring, so that neither a step nor a thump is heard. When it is back, it is faded in.
    """
    slot = slots[at]
    index = carray(_int64_at(slot.index_address), (INDEX_WORDS,))
    ring = carray(_float32_at(slot.ring_address), (slot.capacity * slot.channels,))
    decks = carray(_deck_at(slot.deck_address), (1,))
    deck = decks[0]
    inside = slot.channels
    read = index[READ]
    ready = load_acquire(index, WRITE) - read
    if slot.waiting == 1 and ready >= max(frames, deck.ahead):
        slot.waiting = 0
    take = 0 if slot.waiting == 1 else min(ready, frames)
    deck.play_offset = clock - read
    fade_step = 1000.0 / (FADE_MS * rate)
    level = math.sin(0.5 * math.pi * slot.gain)
    for i in range(frames):
        if slot.gain != slot.target:
            away = slot.target - slot.gain
            slot.gain = slot.target if abs(away) <= slot.step else slot.gain + math.copysign(slot.step, away)
            level = math.sin(0.5 * math.pi * slot.gain)
        left, right = 0.0, 0.0
        if i < take:
            slot.fade = min(1.0, slot.fade + fade_step)
            weight = _smooth(slot.fade)
            where = ((read + i) % slot.capacity) * inside
            left = weight * ring[where]
            right = weight * ring[where + 1] if inside > 1 else left
        elif slot.waiting == 0:  # the first frame that is missing
            slot.tail, slot.tail_level, slot.tail_frame = 1.0, _smooth(slot.fade), read + take - 1
            slot.waiting, slot.fade = 1, 0.0
            deck.underruns += 1
            deck.missing += frames - take
        if slot.tail > 0.0 and slot.tail_frame >= 0:
            weight = slot.tail_level * _smooth(slot.tail)
            where = (slot.tail_frame % slot.capacity) * inside
            left += weight * ring[where]
            right += weight * (ring[where + 1] if inside > 1 else ring[where])
            slot.tail -= fade_step
            slot.tail_frame -= 1
        if channels == 1:
            out[i] += level * (0.5 * (left + right) if inside > 1 else left)
        else:
            out[i * channels] += level * left
            out[i * channels + 1] += level * right
    store_release(index, READ, read + take)


@njit(error_model="numpy", nogil=True, cache=True)
def mix(
    out: np.ndarray,
    frames: int,
    streams: np.ndarray,
    slots: np.ndarray,
    meters: np.ndarray,
    history: np.ndarray,
    filters: np.ndarray,
) -> None:
    """Play one block into `out` [shape=(frames * channels,)], interleaved."""
    stream = streams[0]
    channels = stream.channels
    rate = stream.sample_rate
    clock = stream.clock
    for i in range(frames * channels):
        out[i] = 0.0
    for k in range(SLOTS):
        if slots[k].active == 1:
            _play(out, frames, channels, slots, k, clock, rate)

    heard = min(channels, 2)
    pole = 1.0 - 2.0 * math.pi * DC_HZ / rate
    gain_pull = 1.0 - math.exp(-1000.0 / (GAIN_MS * rate))
    mute_step = 1000.0 / (MUTE_MS * rate)
    release = 1.0 - math.exp(-1000.0 / (RELEASE_MS * rate))
    mute_goal = 0.0 if stream.mute == 1 else 1.0
    limited = False
    length = history.size // heard
    for i in range(frames):
        stream.master_gain += gain_pull * (stream.gain - stream.master_gain)
        if stream.mute_gain != mute_goal:
            away = mute_goal - stream.mute_gain
            stream.mute_gain = (
                mute_goal if abs(away) <= mute_step else stream.mute_gain + math.copysign(mute_step, away)
            )
        largest = 0.0
        for c in range(heard):
            x = out[i * channels + c]
            if not math.isfinite(x):
                x = 0.0
                stream.nonfinite += 1
            f = filters[c]
            y = x - f.last_in + pole * f.last_out
            f.last_in = x
            f.last_out = y if abs(y) > 1e-20 else 0.0
            out[i * channels + c] = y * stream.master_gain
            largest = max(largest, abs(y * stream.master_gain))
        stream.limiter_gain += release * (1.0 - stream.limiter_gain)
        if largest * stream.limiter_gain > CEILING:
            stream.limiter_gain = CEILING / largest
            limited = True
        for c in range(heard):
            x = out[i * channels + c] * stream.limiter_gain * _smooth(stream.mute_gain)
            out[i * channels + c] = x
            history[((clock + i) % length) * heard + c] = x

    seconds = frames / rate
    fall = 10.0 ** (-PEAK_FALL_DB_PER_S * seconds / 20.0)
    pull = 1.0 - math.exp(-1000.0 * seconds / RMS_MS)
    for c in range(heard):
        peak, power = 0.0, 0.0
        for i in range(frames):
            x = out[i * channels + c]
            peak = max(peak, abs(x))
            power += x * x
        meters[c].peak = max(peak, meters[c].peak * fall)
        meters[c].power += pull * (power / frames - meters[c].power)
    stream.limited += 1 if limited else 0
    stream.callbacks += 1
    stream.largest_block = max(stream.largest_block, frames)
    _release()
    stream.clock = clock + frames


_ulong = types.uint32 if sys.platform == "win32" else types.uint64
_PA_CALLBACK = types.intc(
    types.CPointer(types.float32),
    types.CPointer(types.float32),
    _ulong,
    types.voidptr,
    _ulong,
    types.CPointer(types.int64),
)


@cfunc(_PA_CALLBACK, error_model="numpy", cache=True)
def portaudio_callback(_input: Any, output: Any, frames: int, _time: Any, flags: int, user_data: Any) -> int:
    """Play a block for PortAudio; `user_data` is `Mixer.addresses`."""
    addresses = carray(user_data, (6,))
    streams = carray(_stream_at(addresses[0]), (1,))
    slots = carray(_slot_at(addresses[1]), (SLOTS,))
    meters = carray(_meters_at(addresses[2]), (2,))
    history = carray(_float32_at(addresses[3]), (addresses[5],))
    filters = carray(_filter_at(addresses[4]), (2,))
    count: Any = np.int64(frames)
    out = carray(output, (count * streams[0].channels,))
    if flags & OUTPUT_UNDERFLOW:
        streams[0].device_underruns += 1
    mix(out, count, streams, slots, meters, history, filters)
    return 0


class Mixer:
    """A stream segment as the callback plays it, and the slots by which decks are tied to it.

    Holds what the callback points to; keep it as long as the stream.
    """

    def __init__(self, segment: Segment, sample_rate: float, channels: int) -> None:
        self.segment = segment
        self.slots = segment["slots"]
        self._decks: dict[int, Segment] = {}
        stream = segment["stream"][0]
        if not stream["sample_rate"]:  # the segment is new
            stream["gain"] = stream["master_gain"] = stream["limiter_gain"] = stream["mute_gain"] = 1.0
        stream["sample_rate"], stream["channels"] = sample_rate, channels
        self._history = segment["history"].reshape(-1)
        self.addresses = np.array(
            [
                segment.address("stream"),
                segment.address("slots"),
                segment.address("meters"),
                segment.address("history"),
                segment.address("filters"),
                self._history.size,
            ],
            np.int64,
        )

    def process(self, out: np.ndarray, frames: int) -> None:
        """Play a block from Python: the null device, offline rendering and tests."""
        segment = self.segment
        mix(
            out,
            frames,
            segment["stream"],
            self.slots,
            segment["meters"],
            self._history,
            segment["filters"],
        )

    def plug(self, slot: int, deck: Segment, *, gain: float = 1.0, ramp_ms: float = 0.0) -> None:
        """Tie a deck to a free slot; it is heard from its next frames on, faded in."""
        if self.slots[slot]["active"]:
            raise ValueError(f"slot {slot} is in use")
        rate = float(self.segment["stream"][0]["sample_rate"])
        self.slots[slot] = np.zeros((), SLOT)
        s = self.slots[slot]
        s["index_address"] = deck.address("ring_index")
        s["ring_address"] = deck.address("ring")
        s["deck_address"] = deck.address("deck")
        s["capacity"], s["channels"] = deck.geometry.capacity, deck.geometry.channels
        s["target"], s["gain"] = gain, 0.0 if ramp_ms else gain
        s["step"] = gain * 1000.0 / (ramp_ms * rate) if ramp_ms else 1.0
        s["waiting"] = 1
        self._decks[slot] = deck
        _activate(self.slots, slot)

    def unplug(self, slot: int) -> None:
        """Let go of a slot. The caller has faded it out, and waits a block before it removes the deck's memory."""
        self.slots[slot]["active"] = 0
        self._decks.pop(slot, None)


@njit(error_model="numpy", nogil=True, cache=True)
def _activate(slots: np.ndarray, at: int) -> None:
    _release()
    slots[at].active = 1
