"""The arguments of OSC commands, checked; each function raises `BadPacketError` with what the command takes."""

from __future__ import annotations

from collections.abc import Sequence

from realtime.osc.udp import BadPacketError

Arguments = Sequence[object]

MAX_RECALL_MS = 3.6e6


def texts(arguments: Arguments, count: int, expected: str) -> list[str]:
    """Return exactly `count` strings."""
    found = [one for one in arguments if isinstance(one, str)]
    if len(arguments) != count or len(found) != count:
        raise BadPacketError(f"takes {expected}")
    return found


def whole_numbers(arguments: Arguments, count: int, expected: str) -> list[int]:
    """Return exactly `count` numbers, rounded."""
    found = [round(one) for one in arguments if isinstance(one, int | float) and abs(one) < 1e6]
    if len(arguments) != count or len(found) != count:
        raise BadPacketError(f"takes {expected}")
    return found


def snapshot_ids(arguments: Arguments) -> list[str | float]:
    """Return names or numbers of snapshots."""
    return [_snapshot_id(one) for one in arguments]


def snapshot_id(arguments: Arguments) -> str | float:
    """Return one name or number of a snapshot."""
    if len(arguments) != 1:
        raise BadPacketError("takes the name or number of a snapshot")
    return _snapshot_id(arguments[0])


def snapshot_id_and_time(arguments: Arguments) -> tuple[str | float, float | None]:
    """Return a name or number of a snapshot, and a time in ms if there is one."""
    if len(arguments) == 1:
        return snapshot_id(arguments), None
    if len(arguments) != 2 or not isinstance(arguments[1], int | float) or not 0 <= arguments[1] <= MAX_RECALL_MS:
        raise BadPacketError("takes the name or number of a snapshot, and a time in ms")
    return _snapshot_id(arguments[0]), float(arguments[1])


def new_snapshot(arguments: Arguments) -> tuple[str, int | None]:
    """Return a name, a number from 0 to 127, or both."""
    name = next((one for one in arguments if isinstance(one, str)), "")
    numbers = [one for one in arguments if isinstance(one, int | float)]
    if len(numbers) + bool(name) != len(arguments) or len(numbers) > 1 or not all(abs(one) <= 127 for one in numbers):
        raise BadPacketError("takes a name, a number from 0 to 127, or both")
    return name, round(numbers[0]) if numbers else None


def _snapshot_id(one: object) -> str | float:
    if isinstance(one, bool) or not isinstance(one, str | int | float):
        raise BadPacketError("takes names or numbers of snapshots")
    return one
