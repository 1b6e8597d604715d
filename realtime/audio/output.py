"""The host's side of the device process: which decks are plugged in, how loud, and another start when it is gone."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from realtime.ipc import rings
from realtime.ipc.child import Child, ChildError
from realtime.ipc.layout import FADE, GAIN, MUTE
from realtime.ipc.segments import Segment

ANSWER_S = 20.0
REPLUG_MS = 20.0


@dataclass(frozen=True)
class Played:
    """The device that was opened."""

    name: str
    why: str  # why it was chosen, where that needs saying
    sample_rate: float
    channels: int  # that we play
    input: str = ""
    inputs: int = 0  # channels that we hear

    def __str__(self) -> str:
        return self.name


class Output:
    """A device process, and the decks plugged into its slots.

    `choose` starts it and finds the device, `open` lets it play. `reopen` starts another on the same device, by name,
    and plugs everything in again.
    """

    def __init__(self) -> None:
        self._child = Child("realtime.audio.device_process", "The audio device")
        self._plugged: dict[int, tuple[str, float]] = {}  # slot: name of the deck's segment, gain
        self._lock = threading.Lock()
        self._unsaid: dict[tuple[int, int], tuple[float, float]] = {}  # kind, slot: value, time of the fade
        self.latency_s = self.input_latency_s = 0.0
        self.stopped_at = 0  # the clock when the last device process was given up

    @property
    def pid(self) -> int:
        """Process id of the device process."""
        return self._child.pid

    @property
    def unreported_periods(self) -> int:
        """Blocks by which the device is later than it says: PortAudio leaves one of JACK's out."""
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
    ) -> Played:
        """Find a device and its channels, and an input where one is asked for (`""` is the default one).

        Raises
        ------
        ChildError
            There is no such device or channel, or it cannot play at that rate.
        """
        self._order = {
            "wanted": wanted,
            "rate": rate,
            "model_rate": model_rate,
            "model_channels": model_channels,
            "input": input_device,
            "outputs": outputs,
            "inputs": inputs,
        }
        self.device = self._choose(self._order)
        self._hears = self.device.input
        return self.device

    def _choose(self, order: dict[str, Any]) -> Played:
        a = self._child.ask(ANSWER_S, **order)
        return Played(a["device"], a["why"], float(a["rate"]), int(a["channels"]), a["input"], int(a["inputs"]))

    def use(self, segment: Segment) -> None:
        """Take the segment that will be played; what is asked of the callback from here on waits in it."""
        self._segment, self._slots = segment, segment["slots"]

    def open(self, segment: Segment, *, block: int, latency: float | Literal["low", "high"]) -> None:
        """Let the device play a stream segment.

        Raises
        ------
        ChildError
            The device cannot be opened.
        """
        self._block, self._latency = block, latency
        self.use(segment)
        answer = self._child.ask(ANSWER_S, segment=segment.name, block=block, latency=latency)
        self.latency_s, self.input_latency_s = float(answer["latency_s"]), float(answer["input_latency_s"])

    def plug(self, slot: int, deck: Segment, *, gain: float, ramp_ms: float = 0.0) -> None:
        """Tie a deck to a slot; it is heard from its next frames on. Without a device it waits for one."""
        self._plugged[slot] = (deck.name, gain)
        with contextlib.suppress(ChildError):
            self._child.ask(ANSWER_S, plug=slot, deck=deck.name, gain=gain, ramp_ms=ramp_ms)

    def unplug(self, slot: int) -> None:
        """Let go of a deck; when this is done, nothing reads its memory any more."""
        self._plugged.pop(slot, None)
        with contextlib.suppress(ChildError):
            self._child.ask(ANSWER_S, unplug=slot)

    def gain(self, linear: float, sample: int = 0) -> None:
        """Let the output's level go to another, from a sample of the clock on."""
        self._command(GAIN, linear, sample=sample)

    def mute(self, on: bool, sample: int = 0) -> None:
        """Silence the output, or open it, from a sample of the clock on."""
        self._command(MUTE, float(on), sample=sample)

    def fade(self, slot: int, gain: float, ramp_ms: float, sample: int = 0) -> None:
        """Let a slot's gain go to another over a time."""
        if slot in self._plugged:
            self._plugged[slot] = (self._plugged[slot][0], gain)
        self._command(FADE, gain, slot=slot, over=ramp_ms * self.device.sample_rate / 1000.0, sample=sample)

    def resend_commands(self) -> None:
        """Say again what found no room: the device was away, and the last word counts."""
        if not self._unsaid or rings.fill(self._segment["command_index"]):
            return
        unsaid, self._unsaid = self._unsaid, {}
        for (kind, slot), (value, over) in unsaid.items():
            self._command(kind, value, slot=slot, over=over)

    def _command(self, kind: int, value: float, *, slot: int = 0, over: float = 0.0, sample: int = 0) -> None:
        index, commands = self._segment["command_index"], self._segment["commands"]
        with self._lock:
            if not rings.push_command(index, commands, sample, kind, slot, value, over, 0):
                self._unsaid[kind, slot] = (value, over)

    def silent(self, slot: int) -> bool:
        """Whether a slot has been faded out."""
        return bool(self._slots[slot]["gain"] == 0.0)

    def drained(self, slot: int) -> bool:
        """Whether a slot's deck has run dry, and its fade is over."""
        s = self._slots[slot]
        return not s["active"] or bool(s["waiting"] and s["tail"] <= 0.0)

    def reopen(self) -> None:
        """Give the device process up, and start another on the same device, and input if that is there.

        Decks are plugged in again, unless the device plays at another rate now: then they are of no use.

        Raises
        ------
        ChildError
            The device isn't back.
        """
        self._child.kill()
        self.stopped_at = int(self._segment["stream"][0]["clock"])
        self._slots["active"] = 0
        self._child = Child("realtime.audio.device_process", "The audio device")
        before = self.device
        again = {"again": before.name, "hears": self._hears, "rate": before.sample_rate}
        device = self._choose(self._order | again)
        if device.channels != before.channels:
            raise ChildError(f"{device} has {device.channels} channels now; give it back the {before.channels} it had.")
        self.device = device
        self.open(self._segment, block=self._block, latency=self._latency)
        if device.sample_rate != before.sample_rate:
            self._plugged.clear()
        for slot, (name, gain) in self._plugged.items():
            self._child.ask(ANSWER_S, plug=slot, deck=name, gain=gain, ramp_ms=REPLUG_MS)

    def close(self) -> None:
        """End the stream and its process."""
        self._child.close()
