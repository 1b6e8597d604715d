"""How a control's way from 0 to 1 travels a parameter's range, by the curve in the parameter's row."""

from __future__ import annotations

import math

from realtime.params.table import Parameter

Range = tuple[float, float]


def to_value(row: Parameter, position: float, span: Range | None = None) -> float:
    """Give the value at a position.

    Parameters
    ----------
    position
        From 0 to 1.
    span
        Where the way begins and ends, in the parameter's unit; backwards is allowed. None: the parameter's own range.
    """
    low, high = span or (row.minimum, row.maximum)
    if row.curve == "log" and low > 0 and high > 0:
        return row.clip(low * (high / low) ** position)
    return row.clip(low + position * (high - low))


def to_loudness(row: Parameter, velocity: float) -> float:
    """Give the loudness of a note struck with a velocity from 0 to 1.

    An amplitude that goes with the square of the velocity, as General MIDI recommends: 40 log10 dB under the loudest. A
    loudness in another unit travels its range evenly.
    """
    if row.unit != "dBFS" or velocity <= 0.0:
        return to_value(row, velocity)
    return row.clip(row.maximum + 40.0 * math.log10(velocity))


def to_position(row: Parameter, value: float, span: Range | None = None) -> float:
    """Give the position of a value, from 0 to 1; what lies beyond the way is at its end."""
    low, high = span or (row.minimum, row.maximum)
    if low == high:
        return 0.0
    if row.curve == "log" and low > 0 and high > 0:
        position = math.log(max(value, 1e-300) / low) / math.log(high / low)
    else:
        position = (value - low) / (high - low)
    return min(max(position, 0.0), 1.0)
