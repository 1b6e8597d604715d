"""Interpolation between snapshots: a morph between two to four of them, and the way of a timed recall.

The corners of a morph are those of the unit square, the first at (0, 0), the second at (1, 0), the third at (0, 1), the
fourth at (1, 1), weighted as in bilinear interpolation. With two corners, y has no effect. With three, the third is the
whole upper edge, so that the square becomes a triangle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from realtime.params.table import Parameter
from realtime.snapshots.snapshot import Snapshot, SnapshotError

MAX_CORNERS = 4

Values = list[tuple[str, float]]
"""Whole addresses with the values to set."""


def weights(corners: int, x: float, y: float) -> tuple[float, ...]:
    """Return the weight of each of 2 to 4 corners at a position in the square; their sum is 1."""
    x, y = min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)
    if corners == 2:
        return 1 - x, x
    if corners == 3:
        return (1 - x) * (1 - y), x * (1 - y), y
    return (1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y


class Morph:
    """Interpolates between 2 to 4 snapshots. One thread at a time may call.

    Floats are interpolated linearly, or by equal ratios where the curve of their row is `log` (if all corners are above
    0). Switches, whole numbers and seeds are taken from the corner with the largest weight, the first one if two weigh
    the same. A parameter that only some corners have is interpolated between those; where they all have weight 0, it
    isn't set. At a corner, the values are exactly those of that corner.

    Parameters
    ----------
    corners
        2 to 4 snapshots.
    rows
        The parameters that may be set, by whole address (`Snapshots.rows`); values are clipped to these ranges.
    current
        The current values, by whole address: only values that differ are returned. Default: the first call returns all.

    Attributes
    ----------
    addresses : tuple[str, ...]
        The parameters that some corner has.

    Raises
    ------
    SnapshotError
        There are fewer corners, or more.
    """

    def __init__(
        self,
        corners: Sequence[Snapshot],
        rows: Mapping[str, Parameter],
        current: Mapping[str, float] | None = None,
    ) -> None:
        if not 2 <= len(corners) <= MAX_CORNERS:
            raise SnapshotError(f"A morph has 2 to {MAX_CORNERS} corners, not {len(corners)}.")
        targets = [corner.targets(rows) for corner in corners]
        known = [address for address in rows if any(address in values for values in targets)]
        found = [[values.get(address, np.nan) for address in known] for values in targets]
        self.addresses = tuple(known)
        self._values = np.array(found).reshape(len(corners), len(known))  # [corners, addresses], as the next arrays:
        self._has = ~np.isnan(self._values)
        self._low = np.min(self._values, axis=0, initial=np.inf, where=self._has)
        self._high = np.max(self._values, axis=0, initial=-np.inf, where=self._has)
        self._steps = np.array([_is_stepped(rows[a]) for a in known], bool)
        self._log = np.array([rows[a].curve == "log" for a in known], bool) & ~self._steps & (self._low > 0)
        scaled = np.where(self._has, self._values, 0.0)
        self._scaled = np.where(self._log & self._has, np.log(np.where(scaled > 0, scaled, 1.0)), scaled)
        self._last = np.array([(current or {}).get(a, np.nan) for a in known])
        self._each = np.arange(len(known))

    def at(self, x: float, y: float = 0.0) -> Values:
        """Return the values at a position, 0 to 1 in both directions, as far as they differ from the last call's."""
        weight = np.array(weights(len(self._values), x, y))
        effective = weight[:, None] * self._has
        total = effective.sum(0)
        heaviest = effective.argmax(0)  # the first of those that weigh the same
        matters = total > 0
        value = weight @ self._scaled / np.where(matters, total, 1.0)
        value[self._log] = np.exp(value[self._log])
        value = np.clip(value, self._low, self._high)  # so that corners that agree give that value to the bit
        alone = self._steps | (effective[heaviest, self._each] == total)
        value = np.where(alone, self._values[heaviest, self._each], value)
        changed = np.flatnonzero(matters & (value != self._last))
        self._last[changed] = value[changed]
        return [(self.addresses[k], one) for k, one in zip(changed.tolist(), value[changed].tolist(), strict=True)]


class TimedRecall:
    """The way from the current values to a snapshot in a given time. One thread at a time may call.

    Switches and whole numbers change half-way. Parameters that already have the snapshot's value are never set.

    Parameters
    ----------
    start
        A snapshot of the current values.
    goal
        The snapshot that is recalled.
    rows
        As for `Morph`.
    began, length
        When it begins and how long it takes, in the unit of the times given to `at`.

    Attributes
    ----------
    targets : dict[str, float]
        The final value of each parameter that is moving, by whole address.
    done : bool
        Whether the last call of `at` reached the end.
    """

    def __init__(
        self, start: Snapshot, goal: Snapshot, rows: Mapping[str, Parameter], *, began: float, length: float
    ) -> None:
        current = start.flat()
        self._morph = Morph((start, goal), rows, current=current)
        self._began, self._length = began, length
        self.targets = {a: value for a, value in goal.targets(rows).items() if current.get(a) != value}
        self.done = False

    def at(self, now: float) -> Values:
        """Return the values at a time, as far as they differ from the last call's; sets `done` at the end."""
        passed = now - self._began
        self.done = passed >= self._length
        changed = self._morph.at(1.0 if self.done else passed / self._length)
        return [(address, value) for address, value in changed if address in self.targets]

    def remaining(self, now: float) -> float:
        """Return how much of its time is left."""
        return max(self._began + self._length - now, 0.0)

    def release(self, address: str) -> None:
        """Stop moving a parameter, since the player has moved it."""
        self.targets.pop(address, None)


def _is_stepped(row: Parameter) -> bool:
    """Return whether a parameter has no values between two others."""
    return row.kind in ("int", "bool") or row.address.endswith("/seed")
