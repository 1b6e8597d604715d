"""Events of controls: single controllers, 14-bit pairs, NRPNs, notes, bends, pressure and programs.

One message may give several events: controller 39, for example, is a controller and the fine part of the 14-bit
controller 7. The mapping decides which of them is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from realtime.midi.protocol.controllers import (
    DATA_DECREMENT,
    DATA_ENTRY_LSB,
    DATA_ENTRY_MSB,
    DATA_INCREMENT,
    LSB_OFFSET,
    NO_PARAMETER,
    NRPN_LSB,
    NRPN_MSB,
    RPN_LSB,
    RPN_MSB,
)
from realtime.midi.protocol.messages import PITCHWHEEL_CENTRE, Message

ControlType = Literal["cc", "cc14", "nrpn", "note", "bend", "pressure", "program"]

MAX_7_BIT, MAX_14_BIT = 127, 16_383
MAX_PAIRS = 1024  # more only come from noise
ANY = -1  # number of a bend, of channel pressure, and of a source that takes any program


@dataclass(frozen=True, slots=True)
class ControlEvent:
    """One movement of a control.

    Attributes
    ----------
    type
        Kind of control, as in the mapping file.
    channel
        1 to 16.
    number
        Controller, parameter, note or program; `ANY` for a bend and for channel pressure.
    position
        0 to 1.
    raw
        Value as sent, 0 to `raw_max`.
    raw_max
        127, or 16383 with 14 bits.
    step
        1 or -1 for an increment or decrement of an NRPN, else 0.
    """

    type: ControlType
    channel: int
    number: int
    position: float
    raw: int
    raw_max: int = MAX_7_BIT
    step: int = 0


@dataclass(frozen=True, slots=True)
class RegisteredParameter:
    """A change of a registered parameter, such as the pitch bend range.

    Attributes
    ----------
    channel
        1 to 16.
    number
        The parameter, 0 to 16383.
    msb, lsb
        Its value, 0 to 127 each; `lsb` is None while only the MSB has arrived.
    """

    channel: int
    number: int
    msb: int
    lsb: int | None


class Value14:
    """A 14-bit value that arrives in two bytes, MSB first.

    Senders that never send an LSB have 7 bits, which are spread over the whole range. For senders that do, a new MSB
    gives the nearest value that it can stand for, until its LSB arrives: a fader that moves in one direction gives
    values in that direction only.

    Attributes
    ----------
    value
        0 to 16383.
    """

    def __init__(self) -> None:
        self.value = 0
        self._msb: int | None = None
        self._has_lsb = False

    def set_msb(self, byte: int) -> int:
        """Take the MSB, 0 to 127, and return the value."""
        if not self._has_lsb:
            self.value = round(byte * MAX_14_BIT / MAX_7_BIT)
        elif byte != self._msb:
            self.value = byte << 7 | (0 if self._msb is None or byte > self._msb else 127)
        self._msb = byte
        return self.value

    def set_lsb(self, byte: int) -> int:
        """Take the LSB, 0 to 127, and return the value."""
        self._has_lsb = True
        self._msb = self.value >> 7 if self._msb is None else self._msb
        self.value = self._msb << 7 | byte
        return self.value

    def step(self, by: int) -> int:
        """Add a number of steps within the range, and return the value."""
        self.value = min(max(self.value + by, 0), MAX_14_BIT)
        self._msb = self.value >> 7
        return self.value


class ControlReader:
    """Turns the messages of one port into events of its controls.

    NRPN and registered parameters are selected and set as in the MIDI 1.0 specification, section "Registered and
    Non-Registered Parameter Numbers".
    """

    def __init__(self) -> None:
        self._values: dict[tuple[str, int, int], Value14] = {}
        self._selected: dict[int, tuple[bool, int, int]] = {}  # channel: registered, MSB, LSB
        self._registered_msb: dict[int, int] = {}

    def feed(self, message: Message) -> list[ControlEvent | RegisteredParameter]:
        """Return every event that a message may stand for.

        Parameters
        ----------
        message
            A message with a channel.

        Returns
        -------
        list of ControlEvent and RegisteredParameter
            Its events; empty if it belongs to no control.
        """
        channel, number, value = message.channel, message.number, message.value
        match message.type:
            case "control_change":
                return self._controller(channel, number, value)
            case "note_on":
                return [ControlEvent("note", channel, number, value / MAX_7_BIT, value)]
            case "note_off":
                return [ControlEvent("note", channel, number, 0.0, 0)]
            case "pitchwheel":
                # centre at 0.5, both ends at 0 and 1
                span = PITCHWHEEL_CENTRE if value < 0 else PITCHWHEEL_CENTRE - 1
                position, raw = 0.5 + 0.5 * value / span, value + PITCHWHEEL_CENTRE
                return [ControlEvent("bend", channel, ANY, position, raw, MAX_14_BIT)]
            case "aftertouch":
                return [ControlEvent("pressure", channel, ANY, value / MAX_7_BIT, value)]
            case "polytouch":
                return [ControlEvent("pressure", channel, number, value / MAX_7_BIT, value)]
            case "program_change":
                return [ControlEvent("program", channel, number, number / MAX_7_BIT, number)]
        return []

    def _controller(self, channel: int, number: int, value: int) -> list[ControlEvent | RegisteredParameter]:
        events: list[ControlEvent | RegisteredParameter] = [
            ControlEvent("cc", channel, number, value / MAX_7_BIT, value)
        ]
        if number < LSB_OFFSET:
            events.append(_event14("cc14", channel, number, self._value("cc14", channel, number).set_msb(value)))
        elif number < 2 * LSB_OFFSET:
            number14 = number - LSB_OFFSET
            events.append(_event14("cc14", channel, number14, self._value("cc14", channel, number14).set_lsb(value)))
        elif NRPN_LSB <= number <= RPN_MSB:
            self._select(channel, number, value)
        if number in (DATA_ENTRY_MSB, DATA_ENTRY_LSB, DATA_INCREMENT, DATA_DECREMENT) and channel in self._selected:
            events += self._data_entry(channel, number, value)
        return events

    def _select(self, channel: int, number: int, value: int) -> None:
        registered = number in (RPN_LSB, RPN_MSB)
        was_registered, msb, lsb = self._selected.get(channel, (registered, *NO_PARAMETER))
        if was_registered != registered:
            msb, lsb = NO_PARAMETER
        msb, lsb = (value, lsb) if number in (NRPN_MSB, RPN_MSB) else (msb, value)
        self._selected[channel] = (registered, msb, lsb)

    def _data_entry(self, channel: int, number: int, value: int) -> list[ControlEvent | RegisteredParameter]:
        registered, msb, lsb = self._selected[channel]
        if (msb, lsb) == NO_PARAMETER:
            return []
        parameter = msb << 7 | lsb
        if registered:
            return self._registered(channel, parameter, number, value)
        value14 = self._value("nrpn", channel, parameter)
        if number == DATA_ENTRY_MSB:
            return [_event14("nrpn", channel, parameter, value14.set_msb(value))]
        if number == DATA_ENTRY_LSB:
            return [_event14("nrpn", channel, parameter, value14.set_lsb(value))]
        step = 1 if number == DATA_INCREMENT else -1
        return [_event14("nrpn", channel, parameter, value14.step(step), step)]

    def _registered(
        self, channel: int, parameter: int, number: int, value: int
    ) -> list[ControlEvent | RegisteredParameter]:
        if number == DATA_ENTRY_MSB:
            self._registered_msb[channel] = value
            return [RegisteredParameter(channel, parameter, value, None)]
        if number == DATA_ENTRY_LSB and channel in self._registered_msb:
            return [RegisteredParameter(channel, parameter, self._registered_msb[channel], value)]
        return []

    def _value(self, type_: ControlType, channel: int, number: int) -> Value14:
        key = (type_, channel, number)
        if key not in self._values:
            if len(self._values) >= MAX_PAIRS:
                self._values.clear()
            self._values[key] = Value14()
        return self._values[key]


def _event14(type_: ControlType, channel: int, number: int, raw: int, step: int = 0) -> ControlEvent:
    return ControlEvent(type_, channel, number, raw / MAX_14_BIT, raw, MAX_14_BIT, step)
