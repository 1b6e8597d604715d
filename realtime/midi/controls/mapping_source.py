"""The source of a mapping: a control of a MIDI device, by type, number, channel and port."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeGuard, get_args

from realtime.midi.errors import MappingError
from realtime.midi.protocol.control_events import ANY, ControlEvent, ControlType

MAX_NUMBER: dict[str, int] = {"cc": 127, "cc14": 31, "nrpn": 16_383, "note": 127, "program": 127, "pressure": 127}


@dataclass(frozen=True)
class Source:
    """A control.

    Attributes
    ----------
    type
        `cc`, `cc14`, `nrpn`, `note`, `bend`, `pressure` or `program`.
    number
        Controller (0 to 127), pair (0 to 31), parameter (0 to 16383), note or program (0 to 127); None for a bend, for
        channel pressure, and for any program.
    channel
        1 to 16; None for all.
    port
        Part of the input's name; empty for any.

    Raises
    ------
    MappingError
        A value is of the wrong type or out of range.
    """

    type: ControlType
    number: int | None = None
    channel: int | None = None
    port: str = ""

    def __post_init__(self) -> None:
        if self.type not in get_args(ControlType):
            raise MappingError(f"The type of a MIDI control is {one_of(ControlType)}, not {self.type!r}.")
        if self.channel is not None and not (is_int(self.channel) and 1 <= self.channel <= 16):
            raise MappingError(f"A MIDI channel is 1 to 16, or null for all, not {self.channel!r}.")
        if not isinstance(self.port, str):
            raise MappingError(f"A port is given as part of its name, not {self.port!r}.")
        if self.number is None:
            if self.type not in ("bend", "pressure", "program"):
                raise MappingError(f"A control of type {self.type} needs a number.")
        elif self.type == "bend":
            raise MappingError("A bend has no number.")
        elif not (is_int(self.number) and 0 <= self.number <= MAX_NUMBER[self.type]):
            raise MappingError(f"The number of a {self.type} is 0 to {MAX_NUMBER[self.type]}, not {self.number!r}.")

    @property
    def key(self) -> tuple[ControlType, int]:
        """Type and number, the key to look up mappings."""
        return self.type, ANY if self.number is None else self.number

    def matches(self, event: ControlEvent, port: str) -> bool:
        """Return whether an event on a port belongs to this control."""
        if self.channel not in (None, event.channel) or self.type != event.type:
            return False
        if self.port and self.port.casefold() not in port.casefold():
            return False
        if self.number is None:
            return self.type == "program" or event.number == ANY
        return self.number == event.number

    @property
    def label(self) -> str:
        """A short name, such as `CC 21 ch 1`."""
        names = {"cc": "CC", "cc14": "CC14", "nrpn": "NRPN"}
        words = [names.get(self.type, self.type)]
        words += [] if self.number is None else [str(self.number)]
        words += [] if self.channel is None else [f"ch {self.channel}"]
        return " ".join(words)


def is_int(value: object) -> TypeGuard[int]:
    """Return whether a value from JSON is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def one_of(literal: Any) -> str:
    """Return the values of a `Literal` as a phrase, such as `a, b or c`."""
    *most, last = get_args(literal)
    return f"{', '.join(most)} or {last}"
