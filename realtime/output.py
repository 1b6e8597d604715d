"""The host's side of the device process: which decks are plugged in, how loud, and another start when it is gone."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Literal

from realtime.child import Child, ChildError
from realtime.memory import Segment

ANSWER_S = 20.0
REPLUG_MS = 20.0


@dataclass(frozen=True)
class Played:
    """The device that was opened."""

    name: str
    why: str  # why it was chosen, where that needs saying
    sample_rate: float
    channels: int

    def __str__(self) -> str:
        return self.name


class Output:
    """A device process, and the decks plugged into its slots.

    `choose` starts it and finds the device, `open` lets it play. `reopen` starts another on the same device, by name,
    and plugs everything in again.
    """

    def __init__(self) -> None:
        self._child = Child("realtime.device", "The audio device")
        self._plugged: dict[int, tuple[str, float]] = {}  # slot: name of the deck's segment, gain
        self.latency_s = 0.0

    @property
    def pid(self) -> int:
        """Process id of the device process."""
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether the device process runs."""
        return self._child.alive

    def choose(self, wanted: str | int | None, rate: float | None, model_rate: float, *, exact: str = "") -> Played:
        """Find a device; `exact` takes none but the one of that very name.

        Raises
        ------
        ChildError
            There is no such device, or it cannot play at that rate.
        """
        answer = self._child.ask(ANSWER_S, wanted=wanted, rate=rate, model_rate=model_rate, exact=exact)
        self.device = Played(answer["device"], answer["why"], float(answer["rate"]), int(answer["channels"]))
        self._wanted, self._model_rate = wanted, model_rate
        return self.device

    def open(self, segment: Segment, *, block: int, latency: float | Literal["low", "high"]) -> None:
        """Let the device play a stream segment.

        Raises
        ------
        ChildError
            The device cannot be opened.
        """
        self._segment, self._block, self._latency = segment, block, latency
        self._slots = segment["slots"]
        answer = self._child.ask(ANSWER_S, segment=segment.name, block=block, latency=latency)
        self.latency_s = float(answer["latency_s"])

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

    def fade(self, slot: int, gain: float, ramp_ms: float) -> None:
        """Let a slot's gain go to another over a time."""
        if slot in self._plugged:
            self._plugged[slot] = (self._plugged[slot][0], gain)
        s = self._slots[slot]
        samples = ramp_ms * self.device.sample_rate / 1000.0
        s["step"] = abs(gain - float(s["gain"])) / samples if samples else 1.0
        s["target"] = gain

    def silent(self, slot: int) -> bool:
        """Whether a slot has been faded out."""
        return bool(self._slots[slot]["gain"] == 0.0)

    def reopen(self) -> None:
        """Give the device process up, and start another on the same device.

        Raises
        ------
        ChildError
            The device isn't back.
        """
        self._child.kill()
        self._slots["active"] = 0
        self._child = Child("realtime.device", "The audio device")
        before = self.device
        wanted = None if self._wanted is None else before.name if isinstance(self._wanted, str) else self._wanted
        null = before.name.startswith("null")
        self.choose("null" if null else wanted, before.sample_rate, self._model_rate, exact=before.name)
        self.open(self._segment, block=self._block, latency=self._latency)
        for slot, (name, gain) in self._plugged.items():
            self._child.ask(ANSWER_S, plug=slot, deck=name, gain=gain, ramp_ms=REPLUG_MS)

    def close(self) -> None:
        """End the stream and its process."""
        self._child.close()
