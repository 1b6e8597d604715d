"""Between snapshots: on the line between two, on a plane between up to four, or on the way from now to one.

The corners lie on the unit square, the first at (0, 0), the second at (1, 0), the third at (0, 1), the fourth at
(1, 1), and weigh as in bilinear interpolation. Of two corners, y is without effect. Of three, the third is the whole
upper edge, so that the square becomes a triangle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from realtime.params.table import Parameter
from realtime.snapshots.store import MOST_CORNERS, Snapshot, SnapshotError

Values = list[tuple[str, float]]
"""Whole addresses, and what they are set to."""


def weights(corners: int, x: float, y: float) -> tuple[float, ...]:
    """Say how much each of 2 to 4 corners counts at a place of the square; together they are 1."""
    x, y = min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)
    if corners == 2:
        return 1 - x, x
    if corners == 3:
        return (1 - x) * (1 - y), x * (1 - y), y
    return (1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y


def blend(corners: Sequence[Snapshot], x: float, y: float, rows: Mapping[str, Parameter]) -> Values:
    """Give every value at a place between corners; see `Morph`."""
    return Morph(corners, rows).at(x, y)


class Morph:
    """What lies between 2 to 4 snapshots. To be called from one thread at a time.

    Floats go on a straight line between the corners, where the curve of their row is `log` on one of their logarithms
    (if all corners are above 0). Switches, whole numbers and seeds are the heaviest corner's, the first one's where
    two weigh the same. A parameter that only some corners have is between those; where none of these weighs anything,
    it stays as it is. At a corner, exactly that corner's values come out.

    Parameters
    ----------
    rows
        What may be set, by whole address (`Snapshots.rows`); the corners are brought into these ranges.
    standing
        Where the parameters are, by whole address: only what differs is told. None tells everything at first.

    Raises
    ------
    SnapshotError
        The corners are fewer or more.
    """

    def __init__(
        self,
        corners: Sequence[Snapshot],
        rows: Mapping[str, Parameter],
        standing: Mapping[str, float] | None = None,
    ) -> None:
        if not 2 <= len(corners) <= MOST_CORNERS:
            raise SnapshotError(f"A morph has 2 to {MOST_CORNERS} corners, not {len(corners)}.")
        told = [corner.flat() for corner in corners]
        known = [address for address in rows if any(address in values for values in told)]
        found = [[rows[a].clip(values[a]) if a in values else np.nan for a in known] for values in told]
        self.addresses = tuple(known)
        self._values = np.array(found).reshape(len(corners), len(known))  # [corners, addresses], and so are:
        self._has = ~np.isnan(self._values)
        self._low = np.min(self._values, axis=0, initial=np.inf, where=self._has)
        self._high = np.max(self._values, axis=0, initial=-np.inf, where=self._has)
        self._steps = np.array([_steps(rows[a]) for a in known], bool)
        self._log = np.array([rows[a].curve == "log" for a in known], bool) & ~self._steps & (self._low > 0)
        ways = np.where(self._has, self._values, 0.0)
        self._ways = np.where(self._log & self._has, np.log(np.where(ways > 0, ways, 1.0)), ways)
        self._last = np.array([(standing or {}).get(a, np.nan) for a in known])
        self._each = np.arange(len(known))

    def at(self, x: float, y: float = 0.0) -> Values:
        """Give what is to be set at a place, from 0 to 1 in both directions: what has changed since the last call."""
        weight = np.array(weights(len(self._values), x, y))
        weighs = weight[:, None] * self._has
        total = weighs.sum(0)
        heaviest = weighs.argmax(0)  # the first of those that weigh the same
        matters = total > 0
        value = weight @ self._ways / np.where(matters, total, 1.0)
        value[self._log] = np.exp(value[self._log])
        value = np.clip(value, self._low, self._high)  # so that corners that agree give what they agree on, to the bit
        alone = self._steps | (weighs[heaviest, self._each] == total)
        value = np.where(alone, self._values[heaviest, self._each], value)
        changed = np.flatnonzero(matters & (value != self._last))
        self._last[changed] = value[changed]
        return [(self.addresses[k], one) for k, one in zip(changed.tolist(), value[changed].tolist(), strict=True)]


class Glide:
    """The way from how things are to a snapshot, in a time. To be called from one thread at a time.

    Switches and whole numbers change in the middle of it; what stands right already is never set.

    Parameters
    ----------
    start
        A snapshot of now.
    rows
        See `Morph`.
    began, length
        When it began and how long it takes, in the unit of the times that `at` is given.

    Attributes
    ----------
    ways : dict[str, float]
        Where each parameter goes that is on its way, by whole address.
    """

    def __init__(
        self, start: Snapshot, goal: Snapshot, rows: Mapping[str, Parameter], *, began: float, length: float
    ) -> None:
        standing = start.flat()
        self._morph = Morph((start, goal), rows, standing=standing)
        self._began, self._length = began, length
        goals = {address: rows[address].clip(value) for address, value in goal.flat().items() if address in rows}
        self.ways = {address: value for address, value in goals.items() if standing.get(address) != value}
        self.done = False

    def at(self, now: float) -> Values:
        """Give what is to be set at a time: what has changed since the last call. At the end, `done` is set."""
        passed = now - self._began
        self.done = passed >= self._length
        changed = self._morph.at(1.0 if self.done else passed / self._length)
        return [(address, value) for address, value in changed if address in self.ways]

    def left(self, now: float) -> float:
        """Give how much of its time is left."""
        return max(self._began + self._length - now, 0.0)

    def release(self, address: str) -> None:
        """Leave a parameter to whoever has taken hold of it."""
        self.ways.pop(address, None)


def _steps(row: Parameter) -> bool:
    """Say whether there is nothing between two values of a parameter."""
    return row.kind in ("int", "bool") or row.address.endswith("/seed")
