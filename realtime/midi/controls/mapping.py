"""A mapping: a control, and the parameter that it plays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeGuard, get_args

from realtime.midi.curves import Range
from realtime.midi.errors import MappingError
from realtime.midi.protocol.control_events import ANY, ControlEvent, ControlType

MAX_NUMBER: dict[str, int] = {"cc": 127, "cc14": 31, "nrpn": 16_383, "note": 127, "program": 127, "pressure": 127}
MAX_STEPS = 16_384

Mode = Literal["absolute", "relative2c", "relative64", "relativesign", "toggle", "momentary"]
"""How a value is used: as a position, as a step (two's complement, around 64, sign and magnitude), or as a button."""

RELATIVE: tuple[Mode, ...] = ("relative2c", "relative64", "relativesign")


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
            raise MappingError(f"The type of a MIDI control is {_one_of(ControlType)}, not {self.type!r}.")
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
        """Type and number, by which mappings are looked up."""
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


@dataclass(frozen=True)
class Mapping:
    """A control and the parameter that it plays.

    Attributes
    ----------
    source
        The control.
    target
        The parameter's address.
    range
        Values at the two ends of the control, in the parameter's unit, may be reversed; None for the whole range.
    mode
        See `Mode`.
    pickup
        Whether an absolute control has no effect until it meets the parameter's value.
    feedback
        Whether changes from elsewhere are sent to the control (motor faders, lights).
    steps
        Steps of a relative control from one end of the range to the other, 1 to 16384.
    extra
        Unknown keys of the entry in the file, which are kept.

    Raises
    ------
    MappingError
        A value is of the wrong type or out of range.
    """

    source: Source
    target: str
    range: Range | None = None
    mode: Mode = "absolute"
    pickup: bool = True
    feedback: bool = True
    steps: int = 127
    extra: dict[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.target, str) or not self.target.startswith("/"):
            raise MappingError(f"The target of a mapping is an address such as /gain, not {self.target!r:.60}.")
        if self.mode not in get_args(Mode):
            raise MappingError(f"The mode of a mapping is {_one_of(Mode)}, not {self.mode!r:.40}.")
        if self.range is not None:
            ends = self.range
            if not (isinstance(ends, tuple) and len(ends) == 2 and all(is_finite(end) for end in ends)):
                raise MappingError(f"The range of a mapping is two numbers, not {ends!r:.60}.")
        if not isinstance(self.pickup, bool) or not isinstance(self.feedback, bool):
            raise MappingError("pickup and feedback are true or false.")
        if not is_int(self.steps) or not 1 <= self.steps <= MAX_STEPS:
            raise MappingError(f"The steps of a mapping are 1 to {MAX_STEPS}, not {self.steps!r:.40}.")


def is_int(value: object) -> TypeGuard[int]:
    """Return whether a value from JSON is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_finite(value: object) -> bool:
    """Return whether a value from JSON is a finite number, up to 1e30."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30


def _one_of(literal: Any) -> str:
    *most, last = get_args(literal)
    return f"{', '.join(most)} or {last}"
