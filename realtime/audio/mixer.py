"""The audio callback: everything between the decks' rings and the device, compiled, without lock or allocation.

`mix` plays one block: it obeys the commands that are due, takes what the decks have decoded, fades where they are late,
sums, filters DC, applies gain, limits, mutes, measures, and keeps the history that recorder and window read. PortAudio
calls it through `portaudio_callback`; the null device, offline rendering and the tests call it from Python on the same
arrays.

What it does depends on samples, never on blocks: a block is cut where a command is due. What it did, at which sample,
it notes in a log, from which the same sound can be made again.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import from_dtype
from numba import types as numba_types
from numba.extending import intrinsic

from realtime.ipc.compiled import callback, compiled
from realtime.ipc.layout import (
    COMMAND,
    COMMANDS,
    DECK,
    FADE,
    FILTER,
    GAIN,
    INDEX_WORDS,
    LETTERS,
    LOG,
    MAX_CHANNELS,
    METERS,
    MIX_FRAMES,
    MUTE,
    MUTE_MS,
    OPENED,
    PENDING,
    PLUGGED,
    READ,
    SLOT,
    SLOTS,
    STREAM,
    UNDERRUN,
    UNPLUGGED,
    WRITE,
)
from realtime.ipc.rings import load_acquire, push_command, store_release
from realtime.ipc.segments import Segment

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
_command_at: Any = _pointer(from_dtype(COMMAND))


def _fence(_typing: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        builder.fence("release")
        return context.get_dummy_value()

    return types.void(), generate


_release: Any = intrinsic(_fence)


class Desk(NamedTuple):
    """The arrays of a stream segment that the callback plays on; see `realtime.ipc.layout`."""

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


@compiled
def _smooth(t: float) -> float:
    return t * t * (3.0 - 2.0 * t)


@compiled
def _note(desk: Desk, sample: int, kind: int, slot: int, value: float, over: float, number: int) -> None:
    if not push_command(desk.log_index, desk.log, sample, kind, slot, value, over, number):
        desk.stream[0].lost_log += 1


@compiled
def _take_commands(desk: Desk) -> None:
    """Sort what has come into what waits: by sample, and among equals by arrival."""
    stream = desk.stream[0]
    read = desk.command_index[READ]
    count = load_acquire(desk.command_index, WRITE) - read
    waiting = stream.pending
    for k in range(count):
        if waiting == PENDING:
            count = k
            break
        command = desk.commands[(read + k) % COMMANDS]
        at = waiting
        while at > 0 and desk.pending[at - 1].sample > command.sample:
            desk.pending[at] = desk.pending[at - 1]
            at -= 1
        desk.pending[at] = command
        waiting += 1
    stream.pending = waiting
    store_release(desk.command_index, READ, read + count)


@compiled
def _welcome(desk: Desk, clock: int) -> None:
    """Note decks that have been plugged in or unplugged since this was done last."""
    for k in range(SLOTS):
        slot = desk.slots[k]
        if slot.active == 1 and slot.seen == 0:
            slot.seen = 1
            decks = carray(_deck_at(slot.deck_address), (1,))
            _note(desk, clock, PLUGGED, k, slot.target, slot.step, decks[0].number)
        elif slot.active == 0 and slot.seen == 1:
            slot.seen = 0
            _note(desk, clock, UNPLUGGED, k, 0.0, 0.0, 0)


@compiled
def _obey(desk: Desk, clock: int) -> None:
    """Do what is due at this sample."""
    stream = desk.stream[0]
    due = 0
    while due < stream.pending and desk.pending[due].sample <= clock:
        command = desk.pending[due]
        if command.kind == GAIN:
            stream.gain = command.value
            if clock == 0:  # nothing has sounded yet that it could go on from
                stream.master_gain = command.value
        elif command.kind == MUTE:
            stream.mute = 1 if command.value != 0.0 else 0
        elif command.kind == FADE and 0 <= command.slot < SLOTS:
            _welcome(desk, clock)  # so that the log has how it was plugged in, and then how it was faded
            slot = desk.slots[command.slot]
            slot.target = command.value
            slot.step = abs(command.value - slot.gain) / command.over if command.over > 0.0 else 1.0
        _note(desk, clock, command.kind, command.slot, command.value, command.over, 0)
        due += 1
    if due > 0:
        for k in range(due, stream.pending):
            desk.pending[k - due] = desk.pending[k]
        stream.pending -= due


@compiled
def _spread(bus: np.ndarray, ring: np.ndarray, where: int, inside: int, heard: int, weight: float) -> None:
    """Add a deck's frame to a frame of the bus: mono to both sides, more channels folded onto those that are heard."""
    if inside == 1:
        for c in range(min(heard, 2)):
            bus[c] += weight * ring[where]
    elif heard == 1:
        for c in range(inside):
            bus[0] += weight / inside * ring[where + c]
    else:
        if inside > heard:
            weight /= math.sqrt(math.ceil(inside / heard))
        for c in range(inside):
            bus[c % heard] += weight * ring[where + c]


@compiled
def _play(desk: Desk, at: int, frames: int, block: int, clock: int) -> None:
    """Add what one deck has to the bus of its letter, and never step.

    A deck that comes too late is faded out from its last sample on: what was played last is played again backwards,
    out of the ring, so that neither a step nor a thump is heard. When it is back, it is faded in.
    """
    slot = desk.slots[at]
    bus = desk.bus[slot.letter]
    heard = desk.history.shape[1]
    inside = slot.channels
    index = carray(_int64_at(slot.index_address), (INDEX_WORDS,))
    ring = carray(_float32_at(slot.ring_address), (slot.capacity * inside,))
    decks = carray(_deck_at(slot.deck_address), (1,))
    deck = decks[0]
    read = index[READ]
    ready = load_acquire(index, WRITE) - read
    if slot.waiting == 1 and ready >= max(block, deck.lookahead):
        slot.waiting = 0
        _note(desk, clock, OPENED, at, 0.0, 0.0, read)
    take = 0 if slot.waiting == 1 else min(ready, frames)
    deck.play_offset = clock - read
    fade_step = 1000.0 / (FADE_MS * desk.stream[0].sample_rate)
    level = math.sin(0.5 * math.pi * slot.gain)
    dry = -1
    for i in range(frames):
        if slot.gain != slot.target:
            away = slot.target - slot.gain
            slot.gain = slot.target if abs(away) <= slot.step else slot.gain + math.copysign(slot.step, away)
            level = math.sin(0.5 * math.pi * slot.gain)
        if i < take:
            slot.fade = min(1.0, slot.fade + fade_step)
            where = ((read + i) % slot.capacity) * inside
            _spread(bus[i], ring, where, inside, heard, level * _smooth(slot.fade))
        elif slot.waiting == 0:  # the first frame that is missing
            slot.tail, slot.tail_level, slot.tail_frame = 1.0, _smooth(slot.fade), read + take - 1
            slot.waiting, slot.fade = 1, 0.0
            deck.underruns += 1
            deck.missing += frames - take
            dry = clock + i
        if slot.tail > 0.0 and slot.tail_frame >= 0:
            where = (slot.tail_frame % slot.capacity) * inside
            _spread(bus[i], ring, where, inside, heard, level * slot.tail_level * _smooth(slot.tail))
            slot.tail -= fade_step
            slot.tail_frame -= 1
    store_release(index, READ, read + take)
    if dry >= 0:  # noted last: a device that dies in between has played what it read, and nothing is missing in the log
        _note(desk, dry, UNDERRUN, at, 0.0, 0.0, read + take)


@compiled
def _hear(given: np.ndarray, frames: int, desk: Desk, clock: int) -> None:
    """Keep the live input, and measure it."""
    channels, length = desk.stream[0].inputs, desk.input.shape[0]
    seconds = frames / desk.stream[0].sample_rate
    for c in range(desk.input.shape[1]):
        peak, power = 0.0, 0.0
        from_channel = desk.input_map[c]
        for i in range(frames):
            x = given[i * channels + from_channel] if from_channel < channels else np.float32(0.0)
            if not math.isfinite(x):
                x = np.float32(0.0)
            desk.input[(clock + i) % length, c] = x
            peak = max(peak, float(abs(x)))
            power += float(x * x)
        _meter(desk.input_meters[c], peak, power / frames, seconds)
    _release()
    desk.stream[0].input_clock = clock + frames


@compiled
def _meter(meter: Any, peak: float, power: float, seconds: float) -> None:
    meter.peak = max(peak, meter.peak * 10.0 ** (-PEAK_FALL_DB_PER_S * seconds / 20.0))
    meter.power += (1.0 - math.exp(-1000.0 * seconds / RMS_MS)) * (power - meter.power)


@compiled
def _master(out: np.ndarray, desk: Desk, frames: int, clock: int) -> bool:
    """Sum the decks into `out` [shape=(frames * channels,)], bring the sum into shape; say whether it was limited."""
    stream = desk.stream[0]
    channels, heard, length = stream.channels, desk.history.shape[1], desk.history.shape[0]
    rate = stream.sample_rate
    pole = 1.0 - 2.0 * math.pi * DC_HZ / rate
    gain_pull = 1.0 - math.exp(-1000.0 / (GAIN_MS * rate))
    mute_step = 1000.0 / (MUTE_MS * rate)
    release = 1.0 - math.exp(-1000.0 / (RELEASE_MS * rate))
    mute_goal = 0.0 if stream.mute == 1 else 1.0
    limited = False
    for i in range(frames):
        at = (clock + i) % length
        stream.master_gain += gain_pull * (stream.gain - stream.master_gain)
        if stream.mute_gain != mute_goal:
            away = mute_goal - stream.mute_gain
            stream.mute_gain = (
                mute_goal if abs(away) <= mute_step else stream.mute_gain + math.copysign(mute_step, away)
            )
        largest = 0.0
        for c in range(heard):
            x = np.float32(0.0)
            for letter in range(len(LETTERS)):
                part = desk.bus[letter, i, c]
                desk.stems[at, letter, c] = part
                x += part
            if not math.isfinite(x):
                x = np.float32(0.0)
                stream.nonfinite += 1
            f = desk.filters[c]
            y = x - f.last_in + pole * f.last_out
            f.last_in = x
            f.last_out = y if abs(y) > 1e-20 else 0.0
            desk.bus[0, i, c] = y * stream.master_gain
            largest = max(largest, abs(y * stream.master_gain))
        stream.limiter_gain += release * (1.0 - stream.limiter_gain)
        if largest * stream.limiter_gain > CEILING:
            stream.limiter_gain = CEILING / largest
            limited = True
        for c in range(heard):
            x = desk.bus[0, i, c] * stream.limiter_gain * _smooth(stream.mute_gain)
            if desk.outputs[c] < channels:
                out[i * channels + desk.outputs[c]] = x
            desk.history[at, c] = x
    return limited


@compiled
def mix(out: np.ndarray, given: np.ndarray, frames: int, desk: Desk) -> None:
    """Play one block into `out` [shape=(frames * channels,)], interleaved; `given` is the live input, likewise."""
    stream = desk.stream[0]
    clock = stream.clock
    heard, length = desk.history.shape[1], desk.history.shape[0]
    out[:] = 0.0
    if desk.input.shape[1] > 0:
        _hear(given, frames, desk, clock)
    _welcome(desk, clock)
    _take_commands(desk)
    limited = False
    done = 0
    while done < frames:
        now = clock + done
        _obey(desk, now)
        some = min(frames - done, MIX_FRAMES)
        if stream.pending > 0:
            some = min(some, desk.pending[0].sample - now)
        desk.bus[:, :some, :heard] = 0.0
        for k in range(SLOTS):
            if desk.slots[k].active == 1 and desk.slots[k].seen == 1:
                _play(desk, k, some, frames, now)
        limited |= _master(out[done * stream.channels :], desk, some, now)
        done += some

    for c in range(heard):
        peak, power = 0.0, 0.0
        for i in range(frames):
            x = desk.history[(clock + i) % length, c]
            peak = max(peak, abs(x))
            power += x * x
        _meter(desk.meters[c], peak, power / frames, frames / stream.sample_rate)
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


@callback(_PA_CALLBACK)
def portaudio_callback(given: Any, output: Any, frames: int, _time: Any, flags: int, user_data: Any) -> int:
    """Play a block for PortAudio; `user_data` is `Mixer.addresses`."""
    at = carray(user_data, (19,))
    length, heard, inputs = at[16], at[17], at[18]
    desk = Desk(
        carray(_stream_at(at[0]), (1,)),
        carray(_slot_at(at[1]), (SLOTS,)),
        carray(_filter_at(at[2]), (MAX_CHANNELS,)),
        carray(_meters_at(at[3]), (MAX_CHANNELS,)),
        carray(_meters_at(at[4]), (MAX_CHANNELS,)),
        carray(_int64_at(at[5]), (INDEX_WORDS,)),
        carray(_command_at(at[6]), (COMMANDS,)),
        carray(_command_at(at[7]), (PENDING,)),
        carray(_int64_at(at[8]), (INDEX_WORDS,)),
        carray(_command_at(at[9]), (LOG,)),
        carray(_float32_at(at[10]), (len(LETTERS), MIX_FRAMES, MAX_CHANNELS)),
        carray(_int64_at(at[11]), (MAX_CHANNELS,)),
        carray(_int64_at(at[12]), (MAX_CHANNELS,)),
        carray(_float32_at(at[13]), (length, heard)),
        carray(_float32_at(at[14]), (length, len(LETTERS), heard)),
        carray(_float32_at(at[15]), (length, inputs)),
    )
    count: Any = np.int64(frames)
    if flags & OUTPUT_UNDERFLOW:
        desk.stream[0].device_underruns += 1
    out = carray(output, (count * desk.stream[0].channels,))
    mix(out, carray(given, (count * desk.stream[0].inputs,)), count, desk)
    return 0


class Mixer:
    """A stream segment as the callback plays it, and the slots by which decks are tied to it.

    Holds what the callback points to; keep it as long as the stream.

    Parameters
    ----------
    channels, inputs
        Of the device.
    outputs
        The channel of the device for each of ours (0 is its first); None takes them in order.
    input_map
        The channel of the device for each channel of the live input; None takes them in order.
    """

    def __init__(
        self,
        segment: Segment,
        sample_rate: float,
        channels: int,
        *,
        inputs: int = 0,
        outputs: Sequence[int] | None = None,
        input_map: Sequence[int] | None = None,
    ) -> None:
        self.segment = segment
        self.slots = segment["slots"]
        self._decks: dict[int, Segment] = {}
        self._nothing = np.zeros(0, np.float32)
        stream = segment["stream"][0]
        if not stream["sample_rate"]:  # the segment is new
            stream["gain"] = stream["master_gain"] = stream["limiter_gain"] = stream["mute_gain"] = 1.0
        stream["sample_rate"], stream["channels"], stream["inputs"] = sample_rate, channels, inputs
        for name, chosen in (("outputs", outputs), ("input_map", input_map)):
            segment[name][:] = np.arange(MAX_CHANNELS)
            if chosen is not None:
                segment[name][: len(chosen)] = chosen
        self.desk = Desk(*(segment[name] for name in Desk._fields))
        sizes = (*segment["history"].shape, segment.geometry.inputs)
        self.addresses = np.array([*(segment.address(name) for name in Desk._fields), *sizes], np.int64)
        _welcome(self.desk, int(stream["clock"]))  # the decks of a device that died are gone before this one plays

    def process(self, out: np.ndarray, frames: int, given: np.ndarray | None = None) -> None:
        """Play a block from Python: the null device, offline rendering and tests."""
        if given is None:
            inputs = int(self.desk.stream[0]["inputs"])
            given = np.zeros(frames * inputs, np.float32) if inputs else self._nothing
        mix(out, given, frames, self.desk)

    def command(self, kind: int, value: float, *, slot: int = 0, over: float = 0.0, sample: int = 0) -> bool:
        """Ask the callback for something at a sample of the clock, or at once; say whether there was room to ask."""
        index, commands = self.segment["command_index"], self.segment["commands"]
        return bool(push_command(index, commands, sample, kind, slot, value, over, 0))

    def plug(self, slot: int, deck: Segment, *, gain: float = 1.0, ramp_ms: float = 0.0) -> None:
        """Tie a deck to a free slot; it is heard from its next frames on, faded in."""
        rate = float(self.segment["stream"][0]["sample_rate"])
        self.plug_at(slot, deck, gain, gain * 1000.0 / (ramp_ms * rate) if ramp_ms else 1.0)

    def plug_at(self, slot: int, deck: Segment, gain: float, step: float) -> None:
        """Tie a deck to a free slot; its gain grows by `step` a sample (1 is there at once)."""
        if self.slots[slot]["active"]:
            raise ValueError(f"slot {slot} is in use")
        self.slots[slot] = np.zeros((), SLOT)
        s = self.slots[slot]
        s["letter"] = slot // 2
        s["index_address"] = deck.address("ring_index")
        s["ring_address"] = deck.address("ring")
        s["deck_address"] = deck.address("deck")
        s["capacity"], s["channels"] = deck.geometry.capacity, deck.geometry.channels
        s["target"], s["step"], s["gain"] = gain, step, gain if step >= 1.0 else 0.0
        s["waiting"] = 1
        self._decks[slot] = deck
        _activate(self.slots, slot)

    def unplug(self, slot: int) -> None:
        """Let go of a slot. The caller has faded it out, and waits a block before it removes the deck's memory."""
        self.slots[slot]["active"] = 0
        self._decks.pop(slot, None)


@compiled
def _activate(slots: np.ndarray, at: int) -> None:
    _release()
    slots[at].active = 1
