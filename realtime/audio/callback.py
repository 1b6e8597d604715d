"""The audio callback: mixes the decks' rings into the device's blocks, compiled, without locks or allocation.

`mix` plays one block: it applies the commands that are due, reads what the decks have decoded, fades where they are
late, sums, removes DC, applies the gain, limits, mutes, measures, and writes the history that recorder and window read.
PortAudio calls it through `portaudio_callback`; `realtime.audio.deck_mixer` calls it from Python on the same arrays.

Its output depends on sample positions and never on blocks: a block is divided where a command is due. Everything it
does is logged with its sample position, so that the same sound can be rendered again.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numba
import numpy as np
from numba import from_dtype
from numba import types as numba_types

from realtime.audio.mix_arrays import (
    ADDRESSES,
    MixArrays,
    command_at,
    deck_at,
    filter_at,
    float32_at,
    int64_at,
    meters_at,
    release_fence,
    slot_at,
    stream_at,
)
from realtime.ipc.compiled import callback, compiled
from realtime.ipc.memory_layout import (
    COMMANDS,
    FADE,
    GAIN,
    INDEX_WORDS,
    LETTERS,
    LOG,
    MAX_CHANNELS,
    MIX_FRAMES,
    MUTE,
    MUTE_MS,
    OPENED,
    PENDING,
    PLUGGED,
    READ,
    SLOTS,
    UNDERRUN,
    UNPLUGGED,
    WRITE,
)
from realtime.ipc.rings import load_acquire, push_command, store_release

types: Any = numba_types  # numba is only partly typed
carray: Any = numba.carray  # type: ignore[attr-defined]

FADE_MS = 5.0  # in and out of an underrun
GAIN_MS = 20.0  # time constant of the master gain
CEILING = 10 ** (-0.3 / 20)  # of the limiter: -0.3 dB of full scale
RELEASE_MS = 100.0  # time constant of the limiter
DC_HZ = 5.0  # corner frequency of the DC filter
PEAK_FALL_DB_PER_S = 20.0  # of the peak meter
RMS_MS = 300.0  # time constant of the RMS meter
OUTPUT_UNDERFLOW = 4  # PortAudio's flag


@compiled
def _smooth(t: float) -> float:
    return t * t * (3.0 - 2.0 * t)


@compiled
def _log(arrays: MixArrays, sample: int, kind: int, slot: int, value: float, over: float, number: int) -> None:
    if not push_command(arrays.log_index, arrays.log, sample, kind, slot, value, over, number):
        arrays.stream[0].lost_log += 1


@compiled
def _queue_commands(arrays: MixArrays) -> None:
    """Move new commands into the queue, sorted by sample position and then by arrival."""
    stream = arrays.stream[0]
    read = arrays.command_index[READ]
    count = load_acquire(arrays.command_index, WRITE) - read
    waiting = stream.pending
    for k in range(count):
        if waiting == PENDING:
            count = k
            break
        command = arrays.commands[(read + k) % COMMANDS]
        at = waiting
        while at > 0 and arrays.pending[at - 1].sample > command.sample:
            arrays.pending[at] = arrays.pending[at - 1]
            at -= 1
        arrays.pending[at] = command
        waiting += 1
    stream.pending = waiting
    store_release(arrays.command_index, READ, read + count)


@compiled
def sync_slots(arrays: MixArrays, clock: int) -> None:
    """Log the decks that have been plugged in or unplugged since the last call."""
    for k in range(SLOTS):
        slot = arrays.slots[k]
        if slot.active == 1 and slot.seen == 0:
            slot.seen = 1
            decks = carray(deck_at(slot.deck_address), (1,))
            _log(arrays, clock, PLUGGED, k, slot.target, slot.step, decks[0].number)
        elif slot.active == 0 and slot.seen == 1:
            slot.seen = 0
            _log(arrays, clock, UNPLUGGED, k, 0.0, 0.0, 0)


@compiled
def _apply_commands(arrays: MixArrays, clock: int) -> None:
    """Apply the commands that are due at this sample position."""
    stream = arrays.stream[0]
    due = 0
    while due < stream.pending and arrays.pending[due].sample <= clock:
        command = arrays.pending[due]
        if command.kind == GAIN:
            stream.gain = command.value
            if clock == 0:  # nothing has been played that a ramp could begin from
                stream.master_gain = command.value
        elif command.kind == MUTE:
            stream.mute = 1 if command.value != 0.0 else 0
        elif command.kind == FADE and 0 <= command.slot < SLOTS:
            sync_slots(arrays, clock)  # so that the log has it plugged in before it is faded
            slot = arrays.slots[command.slot]
            slot.target = command.value
            slot.step = abs(command.value - slot.gain) / command.over if command.over > 0.0 else 1.0
        _log(arrays, clock, command.kind, command.slot, command.value, command.over, 0)
        due += 1
    if due > 0:
        for k in range(due, stream.pending):
            arrays.pending[k - due] = arrays.pending[k]
        stream.pending -= due


@compiled
def _add_frame(bus: np.ndarray, ring: np.ndarray, where: int, deck_channels: int, channels: int, weight: float) -> None:
    """Add an audio frame of a ring to a frame of the bus.

    Mono goes to the first two channels; more channels than the output has are folded onto it.
    """
    if deck_channels == 1:
        for c in range(min(channels, 2)):
            bus[c] += weight * ring[where]
    elif channels == 1:
        for c in range(deck_channels):
            bus[0] += weight / deck_channels * ring[where + c]
    else:
        if deck_channels > channels:
            weight /= math.sqrt(math.ceil(deck_channels / channels))
        for c in range(deck_channels):
            bus[c % channels] += weight * ring[where + c]


@compiled
def _mix_slot(arrays: MixArrays, number: int, frames: int, block: int, clock: int) -> None:
    """Add a deck's next frames to the bus of its letter.

    After an underrun the last frames of the ring are played backwards and faded out, which gives neither a step nor a
    thump. When the ring holds the look-ahead again, the deck is faded in.
    """
    slot = arrays.slots[number]
    bus = arrays.bus[slot.letter]
    channels = arrays.history.shape[1]
    deck_channels = slot.channels
    index = carray(int64_at(slot.index_address), (INDEX_WORDS,))
    ring = carray(float32_at(slot.ring_address), (slot.capacity * deck_channels,))
    decks = carray(deck_at(slot.deck_address), (1,))
    deck = decks[0]
    read = index[READ]
    ready = load_acquire(index, WRITE) - read
    if slot.waiting == 1 and ready >= max(block, deck.lookahead):
        slot.waiting = 0
        _log(arrays, clock, OPENED, number, 0.0, 0.0, read)
    take = 0 if slot.waiting == 1 else min(ready, frames)
    deck.play_offset = clock - read
    fade_step = 1000.0 / (FADE_MS * arrays.stream[0].sample_rate)
    level = math.sin(0.5 * math.pi * slot.gain)
    underrun_at = -1
    for i in range(frames):
        if slot.gain != slot.target:
            away = slot.target - slot.gain
            slot.gain = slot.target if abs(away) <= slot.step else slot.gain + math.copysign(slot.step, away)
            level = math.sin(0.5 * math.pi * slot.gain)
        if i < take:
            slot.fade = min(1.0, slot.fade + fade_step)
            where = ((read + i) % slot.capacity) * deck_channels
            _add_frame(bus[i], ring, where, deck_channels, channels, level * _smooth(slot.fade))
        elif slot.waiting == 0:  # the first missing frame
            slot.tail, slot.tail_level, slot.tail_frame = 1.0, _smooth(slot.fade), read + take - 1
            slot.waiting, slot.fade = 1, 0.0
            deck.underruns += 1
            deck.missing += frames - take
            underrun_at = clock + i
        if slot.tail > 0.0 and slot.tail_frame >= 0:
            where = (slot.tail_frame % slot.capacity) * deck_channels
            _add_frame(bus[i], ring, where, deck_channels, channels, level * slot.tail_level * _smooth(slot.tail))
            slot.tail -= fade_step
            slot.tail_frame -= 1
    store_release(index, READ, read + take)
    if underrun_at >= 0:  # logged last: if the device dies in between, all that was read has been played
        _log(arrays, underrun_at, UNDERRUN, number, 0.0, 0.0, read + take)


@compiled
def _capture_input(live: np.ndarray, frames: int, arrays: MixArrays, clock: int) -> None:
    """Write the live input into its history, and measure it."""
    channels, length = arrays.stream[0].inputs, arrays.input.shape[0]
    seconds = frames / arrays.stream[0].sample_rate
    for c in range(arrays.input.shape[1]):
        peak, power = 0.0, 0.0
        from_channel = arrays.input_map[c]
        for i in range(frames):
            x = live[i * channels + from_channel] if from_channel < channels else np.float32(0.0)
            if not math.isfinite(x):
                x = np.float32(0.0)
            arrays.input[(clock + i) % length, c] = x
            peak = max(peak, float(abs(x)))
            power += float(x * x)
        _update_meter(arrays.input_meters[c], peak, power / frames, seconds)
    release_fence()
    arrays.stream[0].input_clock = clock + frames


@compiled
def _update_meter(meter: Any, peak: float, power: float, seconds: float) -> None:
    meter.peak = max(peak, meter.peak * 10.0 ** (-PEAK_FALL_DB_PER_S * seconds / 20.0))
    meter.power += (1.0 - math.exp(-1000.0 * seconds / RMS_MS)) * (power - meter.power)


@compiled
def _finish(out: np.ndarray, arrays: MixArrays, frames: int, clock: int) -> bool:
    """Sum the decks into `out` [shape=(frames * channels,)] through the master; return whether the limiter acted."""
    stream = arrays.stream[0]
    device_channels, channels, length = stream.channels, arrays.history.shape[1], arrays.history.shape[0]
    rate = stream.sample_rate
    pole = 1.0 - 2.0 * math.pi * DC_HZ / rate
    gain_share = 1.0 - math.exp(-1000.0 / (GAIN_MS * rate))
    mute_step = 1000.0 / (MUTE_MS * rate)
    release = 1.0 - math.exp(-1000.0 / (RELEASE_MS * rate))
    mute_target = 0.0 if stream.mute == 1 else 1.0
    limited = False
    for i in range(frames):
        at = (clock + i) % length
        stream.master_gain += gain_share * (stream.gain - stream.master_gain)
        if stream.mute_gain != mute_target:
            away = mute_target - stream.mute_gain
            stream.mute_gain = (
                mute_target if abs(away) <= mute_step else stream.mute_gain + math.copysign(mute_step, away)
            )
        largest = 0.0
        for c in range(channels):
            x = np.float32(0.0)
            for letter in range(len(LETTERS)):
                part = arrays.bus[letter, i, c]
                arrays.stems[at, letter, c] = part
                x += part
            if not math.isfinite(x):
                x = np.float32(0.0)
                stream.nonfinite += 1
            f = arrays.filters[c]
            y = x - f.last_in + pole * f.last_out
            f.last_in = x
            f.last_out = y if abs(y) > 1e-20 else 0.0
            arrays.bus[0, i, c] = y * stream.master_gain
            largest = max(largest, abs(y * stream.master_gain))
        stream.limiter_gain += release * (1.0 - stream.limiter_gain)
        if largest * stream.limiter_gain > CEILING:
            stream.limiter_gain = CEILING / largest
            limited = True
        for c in range(channels):
            x = arrays.bus[0, i, c] * stream.limiter_gain * _smooth(stream.mute_gain)
            if arrays.outputs[c] < device_channels:
                out[i * device_channels + arrays.outputs[c]] = x
            arrays.history[at, c] = x
    return limited


@compiled
def mix(out: np.ndarray, live: np.ndarray, frames: int, arrays: MixArrays) -> None:
    """Play one block.

    Parameters
    ----------
    out : np.ndarray [shape=(frames * channels,)], float32
        Interleaved, to be filled, with the channels of the device.
    live : np.ndarray [shape=(frames * inputs,)], float32
        The live input, interleaved; empty without one.
    frames
        Audio frames of the block.
    arrays
        Of the stream segment.
    """
    stream = arrays.stream[0]
    clock = stream.clock
    channels, length = arrays.history.shape[1], arrays.history.shape[0]
    out[:] = 0.0
    if arrays.input.shape[1] > 0:
        _capture_input(live, frames, arrays, clock)
    sync_slots(arrays, clock)
    _queue_commands(arrays)
    limited = False
    done = 0
    while done < frames:
        now = clock + done
        _apply_commands(arrays, now)
        count = min(frames - done, MIX_FRAMES)
        if stream.pending > 0:
            count = min(count, arrays.pending[0].sample - now)
        arrays.bus[:, :count, :channels] = 0.0
        for k in range(SLOTS):
            if arrays.slots[k].active == 1 and arrays.slots[k].seen == 1:
                _mix_slot(arrays, k, count, frames, now)
        limited |= _finish(out[done * stream.channels :], arrays, count, now)
        done += count

    for c in range(channels):
        peak, power = 0.0, 0.0
        for i in range(frames):
            x = arrays.history[(clock + i) % length, c]
            peak = max(peak, abs(x))
            power += x * x
        _update_meter(arrays.meters[c], peak, power / frames, frames / stream.sample_rate)
    stream.limited += 1 if limited else 0
    stream.callbacks += 1
    stream.largest_block = max(stream.largest_block, frames)
    release_fence()
    stream.clock = clock + frames


_ulong = types.uint32 if sys.platform == "win32" else types.uint64
_PA_CALLBACK = types.intc(
    types.CPointer(types.float32),
    types.CPointer(types.float32),
    _ulong,
    types.voidptr,
    _ulong,
    types.CPointer(from_dtype(ADDRESSES)),
)


@callback(_PA_CALLBACK)
def portaudio_callback(live: Any, output: Any, frames: int, _time: Any, flags: int, user_data: Any) -> int:
    """Play a block for PortAudio; `user_data` points to `DeckMixer.addresses`."""
    at = carray(user_data, (1,))[0]
    arrays = MixArrays(
        stream=carray(stream_at(at.stream), (1,)),
        slots=carray(slot_at(at.slots), (SLOTS,)),
        filters=carray(filter_at(at.filters), (MAX_CHANNELS,)),
        meters=carray(meters_at(at.meters), (MAX_CHANNELS,)),
        input_meters=carray(meters_at(at.input_meters), (MAX_CHANNELS,)),
        command_index=carray(int64_at(at.command_index), (INDEX_WORDS,)),
        commands=carray(command_at(at.commands), (COMMANDS,)),
        pending=carray(command_at(at.pending), (PENDING,)),
        log_index=carray(int64_at(at.log_index), (INDEX_WORDS,)),
        log=carray(command_at(at.log), (LOG,)),
        bus=carray(float32_at(at.bus), (len(LETTERS), MIX_FRAMES, MAX_CHANNELS)),
        outputs=carray(int64_at(at.outputs), (MAX_CHANNELS,)),
        input_map=carray(int64_at(at.input_map), (MAX_CHANNELS,)),
        history=carray(float32_at(at.history), (at.capacity, at.audio_channels)),
        stems=carray(float32_at(at.stems), (at.capacity, len(LETTERS), at.audio_channels)),
        input=carray(float32_at(at.input), (at.capacity, at.input_channels)),
    )
    count: Any = np.int64(frames)
    if flags & OUTPUT_UNDERFLOW:
        arrays.stream[0].device_underruns += 1
    out = carray(output, (count * arrays.stream[0].channels,))
    mix(out, carray(live, (count * arrays.stream[0].inputs,)), count, arrays)
    return 0


@compiled
def activate(slots: np.ndarray, number: int) -> None:
    """Publish a slot to the callback after all of its fields are written."""
    release_fence()
    slots[number].active = 1
