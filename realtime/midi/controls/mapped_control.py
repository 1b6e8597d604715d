"""One mapping at work: what its control did becomes the parameter's next value."""

from __future__ import annotations

from realtime.midi.controls.mapping import RELATIVE, Mapping, Mode
from realtime.midi.controls.pickup import Pickup
from realtime.midi.curves import to_position, to_value
from realtime.midi.protocol.control_events import Change
from realtime.params.table import Parameter

PRESSED = 64
SAME = 1e-6  # of the range


def step_of(mode: Mode, raw: int) -> int:
    """Give the step that an endless encoder's value means."""
    if mode == "relative64":
        return raw - 64
    if mode == "relativesign":
        return -(raw & 63) if raw & 64 else raw & 63
    return raw - 128 if raw >= 64 else raw


class Control:
    """The state of a mapping: where the control stands, and what it set last."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self.pickup = Pickup()
        self.known: float | None = None  # the value that the control itself shows
        self.moved_at = 0.0
        self._before: float | None = None
        self._set: float | None = None
        self._position = 0.0
        self._down = False
        self._last_raw = -1

    def play(self, change: Change, row: Parameter, value: float) -> float | None:
        """Give the parameter's next value, None where it stays as it is; for a trigger, 1 on each press.

        Parameters
        ----------
        value
            The parameter's, now.
        """
        mode = self.mapping.mode
        step = change.step or (step_of(mode, change.raw) if mode in RELATIVE else 0)
        if row.kind == "trigger":
            return 1.0 if (step > 0 if mode in RELATIVE else self._pressed(change)) else None
        if step or mode in RELATIVE:
            return self._turn(step, row, value)
        if mode == "toggle":
            return self._toggle(row, value) if self._pressed(change) else None
        if mode == "momentary":
            self._pressed(change)
            return self._place(1.0 if self._down else 0.0, row)
        if change.type == "program" and self.mapping.source.number is not None:
            return self._place(1.0, row)
        return self._move(change, row, value)

    def ghost(self, row: Parameter, value: float) -> float | None:
        """Where the control stands, in the parameter's unit, while it hasn't got it, or has lost it to somebody."""
        if self.pickup.hardware is None or (self.pickup.engaged and self._is_ours(row, value)):
            return None
        return to_value(row, self.pickup.hardware, self.mapping.range)

    def done(self, value: float, before: float, at: float) -> None:
        """Note that the value was set."""
        self._set, self._before, self.moved_at = value, before, at
        # A control that holds a place shows it already. One that doesn't is told: its ring, or its lamp.
        self.known = value if self.mapping.mode == "absolute" else None

    def _is_ours(self, row: Parameter, value: float) -> bool:
        """Whether nobody else has moved the parameter; what was set may take its time to be seen."""
        if self._set is None or self._before is None:
            return self.pickup.engaged  # it was learned just now
        least = SAME * max(abs(row.maximum - row.minimum), 1e-9)
        return abs(value - self._set) <= least or abs(value - self._before) <= least

    def _pressed(self, change: Change) -> bool:
        """Whether this is a press. Some buttons only ever send that, so the same value again is one, too."""
        raw = change.raw
        on = change.type == "program" or raw >= (1 if change.type == "note" else PRESSED * (change.largest + 1) // 128)
        press = on and (not self._down or raw == self._last_raw)
        self._down, self._last_raw = on, raw
        return press

    def _toggle(self, row: Parameter, value: float) -> float:
        return to_value(row, 0.0 if to_position(row, value, self.mapping.range) >= 0.5 else 1.0, self.mapping.range)

    def _place(self, position: float, row: Parameter) -> float:
        return to_value(row, position, self.mapping.range)

    def _turn(self, step: int, row: Parameter, value: float) -> float | None:
        """Go on from where the control was, finer than the parameter's own steps, unless somebody else moved it."""
        if self._set is None or not self._is_ours(row, value):
            self._position = to_position(row, value, self.mapping.range)
        self._position = min(max(self._position + step / self.mapping.steps, 0.0), 1.0)
        turned = self._place(self._position, row)
        if self._set is None or self._before is None:  # a whole number may take several steps to change
            self._set = self._before = value
        return turned

    def _move(self, change: Change, row: Parameter, value: float) -> float | None:
        pickup = self.mapping.pickup and change.type in ("cc", "cc14", "nrpn") and row.kind != "bool"
        if pickup:
            if self.pickup.engaged and not self._is_ours(row, value):
                self.pickup.release()
            if not self.pickup.moved(change.position, to_position(row, value, self.mapping.range)):
                return None
        return self._place(change.position, row)
