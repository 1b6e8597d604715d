"""Pickup, or soft takeover: a fader that stands elsewhere than its parameter takes it only where it passes it."""

from __future__ import annotations

NEAR = 1.01 / 127  # a step of the coarsest fader


class Pickup:
    """One control and its parameter, as positions from 0 to 1.

    Attributes
    ----------
    hardware
        Where the control stands; None until it first moves. The window draws it as a ghost while `engaged` is False.
    engaged
        Whether the control has the parameter.
    """

    def __init__(self) -> None:
        self.hardware: float | None = None
        self.engaged = False

    def moved(self, hardware: float, parameter: float) -> bool:
        """Note where the control is now; give whether it has the parameter. Having jumped across is crossing."""
        before, self.hardware = self.hardware, hardware
        if not self.engaged:
            crossed = before is not None and (before - parameter) * (hardware - parameter) <= 0.0
            self.engaged = crossed or abs(hardware - parameter) <= NEAR
        return self.engaged

    def release(self) -> None:
        """Somebody else moved the parameter; the control must pass it again."""
        self.engaged = False
