"""The host side of the callback: a stream segment, its commands, and the slots that decks are plugged into."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from realtime.audio.callback import activate, mix, sync_slots
from realtime.audio.mix_arrays import ADDRESSES, MixArrays
from realtime.ipc.memory_layout import MAX_CHANNELS, SLOT
from realtime.ipc.rings import push_command
from realtime.ipc.segments import Segment


class DeckMixer:
    """A stream segment as the callback plays it, with its slots for decks.

    It holds the arrays that the callback points to, so keep it while the stream is open.

    Parameters
    ----------
    segment
        The stream segment.
    sample_rate
        Of the device, in Hz.
    channels, inputs
        Channels that the device was opened with.
    outputs
        The channel of the device (from 0) for each channel of ours; None takes them in order.
    input_map
        The channel of the device for each channel of the live input; None takes them in order.

    Attributes
    ----------
    slots : np.ndarray [shape=(SLOTS,), dtype=SLOT]
        The slots that decks are plugged into.
    addresses : np.ndarray [shape=(1,), dtype=ADDRESSES]
        What the compiled callback finds its arrays by.
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
        self._no_input = np.zeros(0, np.float32)
        stream = segment["stream"][0]
        if not stream["sample_rate"]:  # the segment is new
            stream["gain"] = stream["master_gain"] = stream["limiter_gain"] = stream["mute_gain"] = 1.0
        stream["sample_rate"], stream["channels"], stream["inputs"] = sample_rate, channels, inputs
        for name, chosen in (("outputs", outputs), ("input_map", input_map)):
            segment[name][:] = np.arange(MAX_CHANNELS)
            if chosen is not None:
                segment[name][: len(chosen)] = chosen
        self._arrays = MixArrays(*(segment[name] for name in MixArrays._fields))
        geometry = segment.geometry
        self.addresses = np.zeros(1, ADDRESSES)
        for name in MixArrays._fields:
            self.addresses[name] = segment.address(name)
        for name, length in (
            ("capacity", geometry.capacity),
            ("audio_channels", geometry.channels),
            ("input_channels", geometry.inputs),
        ):
            self.addresses[name] = length
        sync_slots(self._arrays, int(stream["clock"]))  # logs the decks of a dead device process as unplugged

    def process(self, out: np.ndarray, frames: int, live: np.ndarray | None = None) -> None:
        """Play a block from Python: for the null device, offline rendering and tests.

        Parameters
        ----------
        out : np.ndarray [shape=(frames * channels,)], float32
            Interleaved, to be filled.
        frames
            Audio frames of the block.
        live : np.ndarray [shape=(frames * inputs,)], float32
            The live input, interleaved; None is silence.
        """
        if live is None:
            inputs = int(self._arrays.stream[0]["inputs"])
            live = np.zeros(frames * inputs, np.float32) if inputs else self._no_input
        mix(out, live, frames, self._arrays)

    def command(self, kind: int, value: float, *, slot: int = 0, over: float = 0.0, sample: int = 0) -> bool:
        """Send a command to the callback.

        Parameters
        ----------
        kind
            `GAIN`, `MUTE` or `FADE`.
        value
            A linear gain; for `MUTE` 0 or 1.
        slot
            The slot of a `FADE`.
        over
            Time of a `FADE`, in samples.
        sample
            Position on the clock; 0 for at once.

        Returns
        -------
        bool
            Whether there was room for it.
        """
        index, commands = self.segment["command_index"], self.segment["commands"]
        return bool(push_command(index, commands, sample, kind, slot, value, over, 0))

    def plug(self, slot: int, deck: Segment, *, gain: float = 1.0, ramp_ms: float = 0.0) -> None:
        """Plug a deck into a free slot; it plays from its next frames on, faded in over `ramp_ms`."""
        rate = float(self.segment["stream"][0]["sample_rate"])
        self.plug_at(slot, deck, gain, gain * 1000.0 / (ramp_ms * rate) if ramp_ms else 1.0)

    def plug_at(self, slot: int, deck: Segment, gain: float, step: float) -> None:
        """Plug a deck into a free slot; its gain rises by `step` a sample (1 for at once)."""
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
        activate(self.slots, slot)

    def unplug(self, slot: int) -> None:
        """Unplug a slot. The caller has faded it out, and waits for a block before it frees the deck's memory."""
        self.slots[slot]["active"] = 0
        self._decks.pop(slot, None)
