"""A parameter as a fader shows it: its set value, and the value that sounds."""

from __future__ import annotations

import math

from PyQt6.QtCore import QObject, pyqtSignal

from gui.osc_sender import OscSender
from gui.viewmodels.readings import (
    QUIET_DB,
)
from realtime.params.table import Parameter

SETTLE_S = 0.3  # time in which the host must adopt our value


class ParameterModel(QObject):
    """A parameter with its set value and its current value in the sound.

    Parameters
    ----------
    row : Parameter
        Its row of the table.
    remote : OscSender
        Sends changes to the host.

    Attributes
    ----------
    value : float
        The set value in the row's unit: the player's while it is held, otherwise the host's.
    played : float or None
        The value that sounds, for latents, which have other sources besides the fader; otherwise None.
    """

    changed = pyqtSignal()

    def __init__(self, row: Parameter, remote: OscSender) -> None:
        super().__init__()
        self.row = row
        self.value = row.default
        self.played: float | None = None
        self._remote = remote
        self._held = False
        self._settles = -math.inf

    @property
    def fraction(self) -> float:
        """Position of the value on the fader, 0 to 1."""
        return fraction_of(self.row, self.value)

    @property
    def text(self) -> str:
        """The value as short text."""
        return value_text(self.row, self.value)

    def hold(self) -> None:
        """Ignore other controllers while the player holds the fader."""
        self._held = True

    def release(self, now: float) -> None:
        """Accept changes by other controllers again."""
        self._held = False
        self._settles = now + SETTLE_S

    def steer(self, value: float, now: float) -> None:
        """Set the value here and, over OSC, at the host."""
        value = self.row.clip(value)
        self._settles = now + SETTLE_S
        if value != self.value:
            self.value = value
            self._remote.send(self.row.address, value)
            self.changed.emit()

    def steer_fraction(self, fraction: float, now: float) -> None:
        """Set the value by its position on the fader, 0 to 1."""
        self.steer(value_at(self.row, fraction), now)

    def step(self, steps: float, now: float) -> None:
        """Move by hundredths of the range; whole numbers by at least one."""
        if self.row.kind in ("int", "bool") and self.row.maximum - self.row.minimum < 100:
            self.steer(self.value + math.copysign(max(1, round(abs(steps))), steps), now)
        else:
            self.steer_fraction(self.fraction + steps / 100, now)

    def reset(self, now: float) -> None:
        """Return to the default, and send it to the host in any case."""
        self._settles = now + SETTLE_S
        self.value = self.row.default
        self._remote.send(self.row.address, self.value)
        self.changed.emit()

    def follow(self, value: float | None, played: float | None, now: float) -> None:
        """Update with the host's value and with the value that sounds."""
        before = self.value, self.played
        if value is not None and not self._held:
            if math.isclose(value, self.value, rel_tol=1e-6, abs_tol=1e-6):
                self._settles = -math.inf
            elif now >= self._settles:
                self.value = value
        self.played = None if played is None else round(played, 3)
        if (self.value, self.played) != before:
            self.changed.emit()


def fraction_of(row: Parameter, value: float) -> float:
    """Return the position of a value on the fader, 0 to 1."""
    if row.maximum <= row.minimum:
        return 0.0
    value = min(max(value, row.minimum), row.maximum)
    if row.curve == "log" and row.minimum > 0:
        return math.log(value / row.minimum) / math.log(row.maximum / row.minimum)
    return (value - row.minimum) / (row.maximum - row.minimum)


def value_at(row: Parameter, fraction: float) -> float:
    """Return the value at a position on the fader; the inverse of `fraction_of`."""
    fraction = min(max(fraction, 0.0), 1.0)
    if row.curve == "log" and row.minimum > 0:
        return float(row.minimum * (row.maximum / row.minimum) ** fraction)
    return row.minimum + (row.maximum - row.minimum) * fraction


def value_text(row: Parameter, value: float) -> str:
    """Format a value with digits that suit its range."""
    if row.unit == "dB" and value <= row.minimum and row.minimum <= QUIET_DB:
        return "−∞"
    span = row.maximum - row.minimum
    digits = 0 if row.kind in ("int", "bool") or span >= 1000 else 1 if span >= 50 else 2
    text = f"{value:.{digits}f}".replace("-", "−")
    signed = row.minimum < 0 and row.maximum > 0 and float(f"{value:.{digits}f}") > 0
    return f"+{text}" if signed else text
