"""A mapping at work: events of its control to values of its parameter."""

from __future__ import annotations

from realtime.midi.controls.mapping import RELATIVE, Mapping, Mode
from realtime.midi.controls.pickup import Pickup
from realtime.midi.curves import to_position, to_value
from realtime.midi.protocol.control_events import ControlEvent
from realtime.params.table import Parameter

PRESSED = 64  # smallest 7-bit value of a pressed button
TOLERANCE = 1e-6  # of the range: values that differ by less are the same


def encoder_step(mode: Mode, raw: int) -> int:
    """Return the steps that an endless encoder has turned.

    Parameters
    ----------
    mode
        One of `RELATIVE`.
    raw
        The value that it sent, 0 to 127.

    Returns
    -------
    int
        Steps to the right; negative to the left.
    """
    if mode == "relative64":
        return raw - 64
    if mode == "relativesign":
        return -(raw & 63) if raw & 64 else raw & 63
    return raw - 128 if raw >= 64 else raw


class MappedControl:
    """The state of a mapping.

    Parameters
    ----------
    mapping
        The mapping.

    Attributes
    ----------
    pickup
        State of the control's pickup.
    shown
        The value that the control itself shows, in the parameter's unit; None if it isn't known.
    moved_at
        Monotonic time of its last effect, in seconds.
    """

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self.pickup = Pickup()
        self.shown: float | None = None
        self.moved_at = 0.0
        self._value_before: float | None = None  # of the parameter, before this control set it last
        self._value_set: float | None = None
        self._encoder_position = 0.0
        self._is_down = False
        self._last_raw = -1

    def next_value(self, event: ControlEvent, row: Parameter, value: float) -> float | None:
        """Return the parameter's value after an event.

        Parameters
        ----------
        event
            An event of this control.
        row
            The parameter.
        value
            The parameter's current value.

        Returns
        -------
        float or None
            The new value in the parameter's unit, None if the event has no effect; for a trigger, 1 on each press.
        """
        mode = self.mapping.mode
        step = event.step or (encoder_step(mode, event.raw) if mode in RELATIVE else 0)
        if row.kind == "trigger":
            return 1.0 if (step > 0 if mode in RELATIVE else self._is_press(event)) else None
        if step or mode in RELATIVE:
            return self._turn(step, row, value)
        if mode == "toggle":
            return self._toggle(row, value) if self._is_press(event) else None
        if mode == "momentary":
            self._is_press(event)
            return self._value_at(1.0 if self._is_down else 0.0, row)
        if event.type == "program" and self.mapping.source.number is not None:
            return self._value_at(1.0, row)
        return self._move(event, row, value)

    def applied(self, value: float, before: float, at: float) -> None:
        """Record that a value was set.

        Parameters
        ----------
        value, before
            The new value and the one before it, in the parameter's unit.
        at
            Monotonic time in seconds.
        """
        self._value_set, self._value_before, self.moved_at = value, before, at
        # An absolute control shows its position already. Rings of encoders and lights of buttons need feedback.
        self.shown = value if self.mapping.mode == "absolute" else None

    def _was_set_here(self, row: Parameter, value: float) -> bool:
        """Return whether the parameter's value is from this control; setting it may take a while to show."""
        if self._value_set is None or self._value_before is None:
            return self.pickup.engaged  # just learned
        tolerance = TOLERANCE * max(abs(row.maximum - row.minimum), 1e-9)
        return abs(value - self._value_set) <= tolerance or abs(value - self._value_before) <= tolerance

    def _is_press(self, event: ControlEvent) -> bool:
        """Return whether an event is a press. Some buttons never send a release, so a repeated value is a press."""
        raw = event.raw
        threshold = 1 if event.type == "note" else PRESSED * (event.raw_max + 1) // 128
        down = event.type == "program" or raw >= threshold
        press = down and (not self._is_down or raw == self._last_raw)
        self._is_down, self._last_raw = down, raw
        return press

    def _toggle(self, row: Parameter, value: float) -> float:
        return self._value_at(0.0 if to_position(row, value, self.mapping.range) >= 0.5 else 1.0, row)

    def _value_at(self, position: float, row: Parameter) -> float:
        return to_value(row, position, self.mapping.range)

    def _turn(self, step: int, row: Parameter, value: float) -> float | None:
        """Turn an encoder. Its position is finer than an integer parameter, and follows changes from elsewhere."""
        if self._value_set is None or not self._was_set_here(row, value):
            self._encoder_position = to_position(row, value, self.mapping.range)
        self._encoder_position = min(max(self._encoder_position + step / self.mapping.steps, 0.0), 1.0)
        turned = self._value_at(self._encoder_position, row)
        if self._value_set is None or self._value_before is None:  # an integer may take several steps to change
            self._value_set = self._value_before = value
        return turned

    def _move(self, event: ControlEvent, row: Parameter, value: float) -> float | None:
        """Move a fader or knob."""
        if self.mapping.pickup and event.type in ("cc", "cc14", "nrpn") and row.kind != "bool":
            if self.pickup.engaged and not self._was_set_here(row, value):
                self.pickup.release()
            if not self.pickup.move(event.position, to_position(row, value, self.mapping.range)):
                return None
        return self._value_at(event.position, row)
