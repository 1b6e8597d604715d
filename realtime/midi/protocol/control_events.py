"""Messages to what a control did: pairs of controllers to 14 bits, registered and other numbered parameters, bends.

A control may be seen as several things at once (controller 7 alone, or with 39 as 14 bits); the mapping says which one
is meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from realtime.midi.protocol.parser import BEND_MIDDLE, Message

SourceType = Literal["cc", "cc14", "nrpn", "note", "bend", "pressure", "program"]

COARSE, FINE = 6, 38
INCREMENT, DECREMENT = 96, 97
NRPN_FINE, NRPN_COARSE, RPN_FINE, RPN_COARSE = 98, 99, 100, 101
NONE_SELECTED = (127, 127)
RPN_BEND_RANGE, RPN_MPE = 0, 6
LARGEST_14 = 16_383
MOST_PAIRS = 1024
ANY = -1  # of the number: channel pressure, or any program


@dataclass(frozen=True, slots=True)
class Change:
    """What a control did.

    Attributes
    ----------
    number
        Of the controller, parameter, note or program; `ANY` for channel pressure.
    position
        From 0 to 1.
    raw
        As it was sent, of `largest`.
    step
        For an NRPN's increment and decrement, +1 or -1; else 0.
    """

    type: SourceType
    channel: int
    number: int
    position: float
    raw: int
    largest: int = 127
    step: int = 0


@dataclass(frozen=True, slots=True)
class Registered:
    """A registered parameter was set: bend range, or the MPE zone. `fine` is None while only the coarse byte came."""

    channel: int
    number: int
    coarse: int
    fine: int | None


class Pair:
    """Two bytes to 14 bits, the coarse one first.

    Whoever never sent the fine byte has 7 bits, and their ends are the ends. Whoever did gets, when the coarse byte has
    changed, the nearest value it can mean until the fine one says more: the way stays one way.
    """

    def __init__(self) -> None:
        self.value = 0
        self._coarse: int | None = None
        self._has_fine = False

    def coarse(self, byte: int) -> int:
        """Take the coarse byte."""
        if not self._has_fine:
            self.value = round(byte * LARGEST_14 / 127)
        elif byte != self._coarse:
            self.value = byte << 7 | (0 if self._coarse is None or byte > self._coarse else 127)
        self._coarse = byte
        return self.value

    def fine(self, byte: int) -> int:
        """Take the fine byte."""
        self._has_fine = True
        self._coarse = self.value >> 7 if self._coarse is None else self._coarse
        self.value = self._coarse << 7 | byte
        return self.value

    def step(self, by: int) -> int:
        """Go up or down."""
        self.value = min(max(self.value + by, 0), LARGEST_14)
        self._coarse = self.value >> 7
        return self.value


class Combiner:
    """Reads the messages of one port."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, int, int], Pair] = {}
        self._selected: dict[int, tuple[bool, int, int]] = {}  # channel: registered, coarse, fine
        self._registered: dict[int, int] = {}

    def feed(self, message: Message) -> list[Change | Registered]:
        """Give everything that a message may mean."""
        channel, number, value = message.channel, message.number, message.value
        if message.kind == "cc":
            return self._controller(channel, number, value)
        if message.kind in ("note_on", "note_off"):
            pressed = value if message.kind == "note_on" else 0
            return [Change("note", channel, number, pressed / 127, pressed)]
        if message.kind == "bend":
            span = BEND_MIDDLE if value < 0 else BEND_MIDDLE - 1  # the middle is the middle, both ends are the ends
            raw = value + BEND_MIDDLE
            return [Change("bend", channel, ANY, 0.5 + 0.5 * value / span, raw, LARGEST_14)]
        if message.kind == "pressure":
            return [Change("pressure", channel, ANY, value / 127, value)]
        if message.kind == "poly_pressure":
            return [Change("pressure", channel, number, value / 127, value)]
        if message.kind == "program":
            return [Change("program", channel, number, number / 127, number)]
        return []

    def _controller(self, channel: int, number: int, value: int) -> list[Change | Registered]:
        found: list[Change | Registered] = [Change("cc", channel, number, value / 127, value)]
        if number < 32:
            found.append(_of_pair("cc14", channel, number, self._pair("cc14", channel, number).coarse(value)))
        elif number < 64:
            found.append(_of_pair("cc14", channel, number - 32, self._pair("cc14", channel, number - 32).fine(value)))
        elif NRPN_FINE <= number <= RPN_COARSE:
            self._select(channel, number, value)
        if number in (COARSE, FINE, INCREMENT, DECREMENT) and channel in self._selected:
            found += self._data(channel, number, value)
        return found

    def _select(self, channel: int, number: int, value: int) -> None:
        registered = number in (RPN_FINE, RPN_COARSE)
        was, coarse, fine = self._selected.get(channel, (registered, 127, 127))
        if was != registered:
            coarse, fine = 127, 127
        coarse, fine = (value, fine) if number in (NRPN_COARSE, RPN_COARSE) else (coarse, value)
        self._selected[channel] = (registered, coarse, fine)

    def _data(self, channel: int, number: int, value: int) -> list[Change | Registered]:
        registered, coarse, fine = self._selected[channel]
        if (coarse, fine) == NONE_SELECTED:
            return []
        parameter = coarse << 7 | fine
        if registered:
            if number == COARSE:
                self._registered[channel] = value
                return [Registered(channel, parameter, value, None)]
            if number == FINE and channel in self._registered:
                return [Registered(channel, parameter, self._registered[channel], value)]
            return []
        pair = self._pair("nrpn", channel, parameter)
        if number == COARSE:
            return [_of_pair("nrpn", channel, parameter, pair.coarse(value))]
        if number == FINE:
            return [_of_pair("nrpn", channel, parameter, pair.fine(value))]
        by = 1 if number == INCREMENT else -1
        raw = pair.step(by)
        return [Change("nrpn", channel, parameter, raw / LARGEST_14, raw, LARGEST_14, by)]

    def _pair(self, kind: str, channel: int, number: int) -> Pair:
        if (kind, channel, number) not in self._pairs:
            if len(self._pairs) >= MOST_PAIRS:  # only noise has so many
                self._pairs.clear()
            self._pairs[kind, channel, number] = Pair()
        return self._pairs[kind, channel, number]


def _of_pair(kind: SourceType, channel: int, number: int, raw: int) -> Change:
    return Change(kind, channel, number, raw / LARGEST_14, raw, LARGEST_14)
