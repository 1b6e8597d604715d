"""The study that workers share: which points wait, run, or are done.

Optuna stores it, in a database or in a file that several machines can open. Each attempt at a point is a trial: it
waits, is taken by one worker, and is completed or fails. The worker increments a heartbeat; if that doesn't change for
longer than the grace period, the worker counts as dead, its trial fails, and the point waits again. If the worker comes
back, its trial has failed already, and its result is refused. So each point is completed exactly once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from optuna.distributions import CategoricalDistribution
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from models.grid.points import AXES, Point
from models.grid.storage import GridError

MAX_ATTEMPTS = 4
"""Attempts at a point whose workers died, after which it is given up."""

_GRID, _BEAT, _ATTEMPT, _REASON, _FIGURES = "grid", "beat", "attempt", "reason", "figures"
_BROKEN, _TWICE = "broken", "another worker was before"


@dataclass(frozen=True)
class Attempt:
    """An attempt at a point by one worker; `number` counts the trials of the study, `attempt` those of the point."""

    number: int
    point: Point
    attempt: int


@dataclass(frozen=True)
class PointStatus:
    """Status of a point: `waiting`, `running`, `done` or `failed`, with its figures or the reason.

    `attempt` is the number of the attempt that was completed.
    """

    point: Point
    state: str
    figures: dict[str, float]
    reason: str = ""
    attempt: int = 0


class SharedStudy:
    """A study of the points of a grid, joined by one worker.

    Parameters
    ----------
    storage
        Where it is kept.
    name
        Name of the study.
    points
        The grid.
    settings
        Common settings of all trainings, as plain data; all workers must give the same settings and grid.
    grace_s
        How long a worker's heartbeat may stay unchanged, seconds.
    clock
        Clock of this worker, seconds.

    Raises
    ------
    GridError
        A study of that name has another grid, or other settings, or is not of a grid.
    """

    def __init__(
        self,
        storage: BaseStorage,
        name: str,
        points: Sequence[Point],
        settings: dict[str, Any],
        grace_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.storage = storage
        self.points = tuple(points)
        self.grace_s = grace_s
        self.clock = clock
        self._seen: dict[int, tuple[int, float]] = {}
        description = json.dumps({"points": [asdict(point) for point in points], "settings": settings}, sort_keys=True)
        try:
            self._id = storage.create_new_study([StudyDirection.MINIMIZE], name)
        except DuplicatedStudyError:
            self._id = storage.get_study_id_from_name(name)
            if self._is_described(name, description):
                return
        self._fill()
        storage.set_study_user_attr(self._id, _GRID, description)

    def _is_described(self, name: str, description: str) -> bool:
        """Whether the study has a description, the same as this one; its creator writes it once all points wait."""
        end = time.monotonic() + self.grace_s
        while (known := self.storage.get_study_user_attrs(self._id).get(_GRID)) is None and time.monotonic() < end:
            time.sleep(0.05)
        if known is None and any(_ATTEMPT not in trial.user_attrs for trial in self._trials()):
            raise GridError(f"The study '{name}' is not of a grid; give another --study.")
        if known not in (None, description):
            raise GridError(
                f"The study '{name}' was begun with other points or settings; give the same, or another --study."
            )
        return known is not None

    def next(self) -> Attempt | None:
        """Take a waiting point; None if there is none."""
        self._revive()
        self._fill()
        for trial in self._trials(TrialState.WAITING):
            trial_id = self._trial_id(trial.number)
            try:
                if not self.storage.set_trial_state_values(trial_id, TrialState.RUNNING):
                    continue
            except UpdateFinishedTrialError:
                continue
            if self._earlier(trial):
                self._end(trial.number, TrialState.FAIL, _TWICE)
                continue
            return Attempt(trial.number, _point(trial), int(trial.user_attrs[_ATTEMPT]))
        return None

    def beat(self, attempt: Attempt, count: int) -> None:
        """Report that an attempt is still running."""
        self._store(attempt.number, _BEAT, count)

    def complete(self, attempt: Attempt, value: float, figures: dict[str, float]) -> bool:
        """Complete an attempt; False if it counted as dead meanwhile, so that its result is refused."""
        if not self._store(attempt.number, _FIGURES, figures):
            return False
        return self._end(attempt.number, TrialState.COMPLETE, values=[value])

    def fail(self, attempt: Attempt, reason: str, *, again: bool) -> None:
        """Fail an attempt, because its worker was interrupted (`again`), or because it would fail for others too."""
        self._end(attempt.number, TrialState.FAIL, reason if again else f"{_BROKEN}: {reason}")

    def finished(self) -> bool:
        """Whether all points are done or have failed."""
        return all(status.state in ("done", "failed") for status in self.statuses())

    def statuses(self) -> list[PointStatus]:
        """Give the status of each point, in the order of the grid."""
        trials = self._trials()
        found = []
        for point in self.points:
            mine = [trial for trial in trials if _point(trial) == point]
            done = [trial for trial in mine if trial.state is TrialState.COMPLETE]
            if done:
                stored = done[0].user_attrs
                figures = {"value": float(done[0].values[0]), **stored[_FIGURES]}
                found.append(PointStatus(point, "done", figures, attempt=stored.get(_ATTEMPT, 0)))
            elif any(trial.state is TrialState.RUNNING for trial in mine):
                found.append(PointStatus(point, "running", {}))
            elif _given_up(mine):
                found.append(PointStatus(point, "failed", {}, mine[-1].user_attrs.get(_REASON, "its workers died")))
            else:
                found.append(PointStatus(point, "waiting", {}))
        return found

    def completed(self) -> list[Point]:
        """Give the point of each completed trial; a point that was completed twice would be there twice."""
        return [_point(trial) for trial in self._trials(TrialState.COMPLETE)]

    def _revive(self) -> None:
        """Fail the trials of workers without a heartbeat."""
        now = self.clock()
        for trial in self._trials(TrialState.RUNNING):
            beat = int(trial.user_attrs.get(_BEAT, 0))
            known, since = self._seen.get(trial.number, (None, now))
            if known != beat:
                self._seen[trial.number] = (beat, now)  # by this worker's clock; those of others may be wrong
            elif now - since > self.grace_s:
                self._end(trial.number, TrialState.FAIL, "its worker died")

    def _fill(self) -> None:
        """Add a waiting trial for every point that is neither done, nor given up, nor running."""
        trials = self._trials()
        for point in self.points:
            mine = [trial for trial in trials if _point(trial) == point]
            if all(trial.state is TrialState.FAIL for trial in mine) and not _given_up(mine):
                self._add(point, len(mine))

    def _add(self, point: Point, attempt: int) -> None:
        values = asdict(point)
        self.storage.create_new_trial(
            self._id,
            create_trial(
                state=TrialState.WAITING,
                params=values,
                distributions={
                    name: CategoricalDistribution(sorted({getattr(other, name) for other in self.points}))
                    for name in AXES
                },
                user_attrs={_ATTEMPT: attempt},
            ),
        )

    def _earlier(self, trial: FrozenTrial) -> bool:
        """Whether an earlier trial has the same point: two workers may have added it at the same time."""
        return any(
            other.number < trial.number and other.state is not TrialState.FAIL and _point(other) == _point(trial)
            for other in self._trials()
        )

    def _end(
        self, number: int, state: TrialState, reason: str | None = None, values: Sequence[float] | None = None
    ) -> bool:
        """End a trial; False if another worker has ended it already."""
        if reason is not None and not self._store(number, _REASON, reason):
            return False
        try:
            return self.storage.set_trial_state_values(self._trial_id(number), state, values)
        except UpdateFinishedTrialError:
            return False

    def _store(self, number: int, key: str, value: Any) -> bool:
        """Write something about a trial; False if it has ended."""
        try:
            self.storage.set_trial_user_attr(self._trial_id(number), key, value)
        except UpdateFinishedTrialError:
            return False
        return True

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self.storage.get_all_trials(self._id, states=states or None)

    def _trial_id(self, number: int) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self._id, number)


def _given_up(mine: Sequence[FrozenTrial]) -> bool:
    """Whether attempts at a point have failed for good."""
    reasons = [str(trial.user_attrs.get(_REASON, "")) for trial in mine if trial.state is TrialState.FAIL]
    tried = [reason for reason in reasons if reason != _TWICE]
    return len(reasons) == len(mine) and (
        len(tried) >= MAX_ATTEMPTS or any(reason.startswith(_BROKEN) for reason in tried)
    )


def _point(trial: FrozenTrial) -> Point:
    return Point(**trial.params)
