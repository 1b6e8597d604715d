"""The host's side of the device process: plugs in decks, sends commands to the callback, and restarts the process."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from realtime.ipc import rings
from realtime.ipc.child_process import ChildError, ChildProcess
from realtime.ipc.memory_layout import FADE, GAIN, MUTE
from realtime.ipc.segments import Segment

REPLY_TIMEOUT_S = 20.0
REPLUG_MS = 20.0


@dataclass(frozen=True)
class ChosenDevice:
    """The device that was chosen.

    Attributes
    ----------
    name : str
        Of the output.
    why : str
        The reason why the null device was chosen, if it was.
    sample_rate : float
        In Hz.
    channels : int
        Channels of it that are played.
    input : str
        Name of the input device; empty for none.
    inputs : int
        Channels of the live input.
    """

    name: str
    why: str
    sample_rate: float
    channels: int
    input: str = ""
    inputs: int = 0

    def __str__(self) -> str:
        return self.name


class DeviceClient:
    """A device process, and the decks that are plugged into its slots.

    `choose` finds the device and `open` begins to play. `reopen` starts another process for the device of the same
    name, and plugs all decks in again.

    Attributes
    ----------
    device : ChosenDevice
        After `choose`.
    latency_s, input_latency_s : float
        From the callback to the speaker, and from the microphone to the callback, in s.
    stopped_at : int
        Sample position at which the last device process was given up.
    """

    def __init__(self) -> None:
        self._child = ChildProcess("realtime.audio.device_process", "The audio device")
        self._plugged: dict[int, tuple[str, float]] = {}  # by slot: name of the deck's segment, gain
        self._lock = threading.Lock()
        self._unsent: dict[tuple[int, int], tuple[float, float]] = {}  # by kind and slot: value, fade in samples
        self.latency_s = self.input_latency_s = 0.0
        self.stopped_at = 0

    @property
    def pid(self) -> int:
        """Process id of the device process."""
        return self._child.pid

    @property
    def unreported_periods(self) -> int:
        """Blocks by which the latency is higher than reported: PortAudio omits one with JACK."""
        return int("(JACK" in self.device.name)

    @property
    def alive(self) -> bool:
        """Whether the device process runs."""
        return self._child.alive

    def choose(
        self,
        wanted: str | int | None,
        rate: float | None,
        model_rate: float,
        *,
        model_channels: int = 1,
        input_device: str | int | None = None,
        outputs: Sequence[int] | None = None,
        inputs: Sequence[int] | None = None,
    ) -> ChosenDevice:
        """Choose an output device with its channels, and an input.

        Parameters
        ----------
        wanted
            Index of the output device, or a part of its name; None takes the default one.
        rate
            Sample rate in Hz; None takes the model's.
        model_rate, model_channels
            Of the model.
        input_device
            Index of the input device, or a part of its name; `""` takes the default one, None has no live input.
        outputs, inputs
            Channels to play on and to capture, counted from 1; None takes the defaults.

        Returns
        -------
        ChosenDevice
            The device that `open` plays on; also kept as `device`.

        Raises
        ------
        ChildError
            There is no such device or channel, or it cannot play at that rate.
        """
        self._choice = {
            "wanted": wanted,
            "rate": rate,
            "model_rate": model_rate,
            "model_channels": model_channels,
            "input": input_device,
            "outputs": outputs,
            "inputs": inputs,
        }
        self.device = self._choose(self._choice)
        self._input_name = self.device.input
        return self.device

    def _choose(self, order: dict[str, Any]) -> ChosenDevice:
        a = self._child.ask(REPLY_TIMEOUT_S, **order)
        return ChosenDevice(a["device"], a["why"], float(a["rate"]), int(a["channels"]), a["input"], int(a["inputs"]))

    def use(self, segment: Segment) -> None:
        """Set the stream segment; commands to the callback wait in it until the device is open."""
        self._segment, self._slots = segment, segment["slots"]

    def open(self, segment: Segment, *, block: int, latency: float | Literal["low", "high"]) -> None:
        """Open the device, and let it play a stream segment.

        Parameters
        ----------
        segment
            The stream segment.
        block
            Audio frames per callback; 0 leaves it to the device.
        latency
            As PortAudio takes it: `low`, `high`, or in s.

        Raises
        ------
        ChildError
            The device cannot be opened.
        """
        self._block, self._latency = block, latency
        self.use(segment)
        reply = self._child.ask(REPLY_TIMEOUT_S, segment=segment.name, block=block, latency=latency)
        self.latency_s, self.input_latency_s = float(reply["latency_s"]), float(reply["input_latency_s"])

    def plug(self, slot: int, deck: Segment, *, gain: float, ramp_ms: float = 0.0) -> None:
        """Plug a deck into a slot; it plays from its next frames on, once there is a device."""
        self._plugged[slot] = (deck.name, gain)
        with contextlib.suppress(ChildError):
            self._child.ask(REPLY_TIMEOUT_S, plug=slot, deck=deck.name, gain=gain, ramp_ms=ramp_ms)

    def unplug(self, slot: int) -> None:
        """Unplug a slot; when this returns, the callback doesn't use the deck's memory any more."""
        self._plugged.pop(slot, None)
        with contextlib.suppress(ChildError):
            self._child.ask(REPLY_TIMEOUT_S, unplug=slot)

    def gain(self, linear: float, sample: int = 0) -> None:
        """Set the linear gain of the output, at a sample position (0 for at once)."""
        self._command(GAIN, linear, sample=sample)

    def mute(self, on: bool, sample: int = 0) -> None:
        """Mute or unmute the output, at a sample position (0 for at once)."""
        self._command(MUTE, float(on), sample=sample)

    def fade(self, slot: int, gain: float, ramp_ms: float, sample: int = 0) -> None:
        """Fade a slot to a linear gain over a time in ms, at a sample position (0 for at once)."""
        if slot in self._plugged:
            self._plugged[slot] = (self._plugged[slot][0], gain)
        self._command(FADE, gain, slot=slot, over=ramp_ms * self.device.sample_rate / 1000.0, sample=sample)

    def resend_commands(self) -> None:
        """Send the latest commands that found the ring full while the device was gone."""
        if not self._unsent or rings.fill(self._segment["command_index"]):
            return
        unsent, self._unsent = self._unsent, {}
        for (kind, slot), (value, over) in unsent.items():
            self._command(kind, value, slot=slot, over=over)

    def _command(self, kind: int, value: float, *, slot: int = 0, over: float = 0.0, sample: int = 0) -> None:
        index, commands = self._segment["command_index"], self._segment["commands"]
        with self._lock:
            if not rings.push_command(index, commands, sample, kind, slot, value, over, 0):
                self._unsent[kind, slot] = (value, over)

    def silent(self, slot: int) -> bool:
        """Whether a slot has been faded out."""
        return bool(self._slots[slot]["gain"] == 0.0)

    def drained(self, slot: int) -> bool:
        """Whether a slot's ring is empty, and its fade-out over."""
        s = self._slots[slot]
        return not s["active"] or bool(s["waiting"] and s["tail"] <= 0.0)

    def reopen(self) -> None:
        """Replace the device process by another for the same device, with the input if it is there.

        Decks are plugged in again unless the sample rate has changed, since then they must be replaced.

        Raises
        ------
        ChildError
            The device is still absent.
        """
        self._child.kill()
        self.stopped_at = int(self._segment["stream"][0]["clock"])
        self._slots["active"] = 0
        self._child = ChildProcess("realtime.audio.device_process", "The audio device")
        before = self.device
        reopen = {"reopen": before.name, "input_name": self._input_name, "rate": before.sample_rate}
        device = self._choose(self._choice | reopen)
        if device.channels != before.channels:
            raise ChildError(f"{device} has {device.channels} channels now; give it back the {before.channels} it had.")
        self.device = device
        self.open(self._segment, block=self._block, latency=self._latency)
        if device.sample_rate != before.sample_rate:
            self._plugged.clear()
        for slot, (name, gain) in self._plugged.items():
            self._child.ask(REPLY_TIMEOUT_S, plug=slot, deck=name, gain=gain, ramp_ms=REPLUG_MS)

    def close(self) -> None:
        """Close the stream and end its process."""
        self._child.close()
