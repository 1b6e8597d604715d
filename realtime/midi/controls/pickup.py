"""Pickup (soft takeover): a fader has no effect until it meets or passes its parameter's value."""

from __future__ import annotations

TOLERANCE = 1.01 / 127  # a step of the coarsest fader


class Pickup:
    """Pickup of one control, with positions from 0 to 1.

    Attributes
    ----------
    engaged
        Whether the control has picked up its parameter.
    """

    def __init__(self) -> None:
        self.engaged = False
        self._position: float | None = None  # None until the control moves

    def move(self, position: float, parameter: float) -> bool:
        """Move the control; a jump across the parameter's value passes it.

        Parameters
        ----------
        position
            New position of the control.
        parameter
            Position of the parameter's value.

        Returns
        -------
        bool
            Whether the control has picked up its parameter.
        """
        before, self._position = self._position, position
        if not self.engaged:
            passed = before is not None and (before - parameter) * (position - parameter) <= 0.0
            self.engaged = passed or abs(position - parameter) <= TOLERANCE
        return self.engaged

    def release(self) -> None:
        """Require pickup again, after the parameter was changed in another way."""
        self.engaged = False
