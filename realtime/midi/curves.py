"""Positions of a control, 0 to 1, to values of a parameter and back, along the parameter's curve."""

from __future__ import annotations

import math

from realtime.params.table import Parameter

Range = tuple[float, float]
"""Values at the two ends of a control, in the parameter's unit; may be reversed."""


def to_value(row: Parameter, position: float, span: Range | None = None) -> float:
    """Return the value at a position.

    Parameters
    ----------
    row
        The parameter.
    position
        0 to 1.
    span
        Values at positions 0 and 1; default: the parameter's whole range. The curve is logarithmic if the parameter's
        is and both ends are positive, else linear.

    Returns
    -------
    float
        The value in the parameter's unit, within the parameter's range; whole for an integer.
    """
    low, high = span or (row.minimum, row.maximum)
    if row.curve == "log" and low > 0 and high > 0:
        return row.clip(low * (high / low) ** position)
    return row.clip(low + position * (high - low))


def to_loudness(row: Parameter, velocity: float) -> float:
    """Return the loudness of a note.

    Amplitude grows with the square of the velocity, as General MIDI recommends: -40 log10(velocity) dB below the
    maximum.

    Parameters
    ----------
    row
        The parameter of the loudness. One that isn't in dBFS is linear in the velocity.
    velocity
        0 to 1.

    Returns
    -------
    float
        The loudness in the parameter's unit, within its range.
    """
    if row.unit != "dBFS" or velocity <= 0.0:
        return to_value(row, velocity)
    return row.clip(row.maximum + 40.0 * math.log10(velocity))


def to_position(row: Parameter, value: float, span: Range | None = None) -> float:
    """Return the position of a value, the inverse of `to_value`.

    Parameters
    ----------
    row
        The parameter.
    value
        In the parameter's unit.
    span
        Values at positions 0 and 1; default: the parameter's whole range.

    Returns
    -------
    float
        0 to 1; values outside the span are at its nearer end.
    """
    low, high = span or (row.minimum, row.maximum)
    if low == high:
        return 0.0
    if row.curve == "log" and low > 0 and high > 0:
        position = math.log(max(value, 1e-300) / low) / math.log(high / low)
    else:
        position = (value - low) / (high - low)
    return min(max(position, 0.0), 1.0)
