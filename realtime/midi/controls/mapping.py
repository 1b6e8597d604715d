"""A mapping: a control, and the parameter that it plays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from realtime.midi.controls.mapping_source import Source, is_int, one_of
from realtime.midi.curves import Range
from realtime.midi.errors import MappingError

MAX_STEPS = 16_384

Mode = Literal["absolute", "relative2c", "relative64", "relativesign", "toggle", "momentary"]
"""How a value is used: as a position, as a step (two's complement, around 64, sign and magnitude), or as a button."""

RELATIVE: tuple[Mode, ...] = ("relative2c", "relative64", "relativesign")


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
            raise MappingError(f"The mode of a mapping is {one_of(Mode)}, not {self.mode!r:.40}.")
        if self.range is not None:
            ends = self.range
            if not (isinstance(ends, tuple) and len(ends) == 2 and all(is_finite(end) for end in ends)):
                raise MappingError(f"The range of a mapping is two numbers, not {ends!r:.60}.")
        if not isinstance(self.pickup, bool) or not isinstance(self.feedback, bool):
            raise MappingError("pickup and feedback are true or false.")
        if not is_int(self.steps) or not 1 <= self.steps <= MAX_STEPS:
            raise MappingError(f"The steps of a mapping are 1 to {MAX_STEPS}, not {self.steps!r:.40}.")


def is_finite(value: object) -> bool:
    """Return whether a value from JSON is a finite number, up to 1e30."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30
