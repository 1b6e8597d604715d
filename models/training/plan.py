"""How many steps a training has: as many as were said, or as many as its minutes will do.

The learning rate and the weights of the loss follow from how far a training is. Were that read off the clock, no
training could be repeated; so the clock is asked once, when it begins, and the number of steps that follows is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from models.files.atomic import write_whole

FILE_NAME = "plan.json"

_SHARE = 0.95
"""Of the minutes, what is left for steps beside checkpoints, pictures and sounds."""


@dataclass(frozen=True)
class Plan:
    """The `steps` of a training, and the settings that they were made of."""

    steps: int
    max_steps: int
    max_minutes: float | None = None


@runtime_checkable
class Planned(Protocol):
    """A training that follows a plan, as what goes on beside it sees it."""

    @property
    def plan(self) -> Plan | None:
        """The plan, once it is made."""

    @property
    def progress(self) -> float:
        """How far it is in its plan, 0 to 1."""

    @property
    def seconds(self) -> float:
        """Time spent training, before it was resumed as well."""

    @property
    def settings_told(self) -> dict[str, Any]:
        """Its settings as plain data."""


def begin(max_steps: int, max_minutes: float | None, step_seconds: Callable[[], float]) -> Plan:
    """Plan a training.

    Parameters
    ----------
    max_steps
        Steps that it has at most.
    max_minutes
        How long it may take; None for as long as it takes.
    step_seconds
        Measures how long a step takes; asked only if minutes are given.
    """
    if max_minutes is None:
        return Plan(max_steps, max_steps)
    return Plan(_fit(max_steps, 60 * max_minutes, step_seconds()), max_steps, max_minutes)


def go_on(
    kept: Plan,
    max_steps: int,
    max_minutes: float | None,
    step_seconds: Callable[[], float],
    *,
    done: int,
    seconds: float,
) -> Plan:
    """Plan the rest of a training that is resumed after `done` steps and `seconds`.

    With the settings that it was begun with, the plan stays as it is, whatever the clock says by now.
    """
    if (max_steps, max_minutes) == (kept.max_steps, kept.max_minutes):
        return kept
    if max_minutes is None:
        return Plan(max_steps, max_steps)
    pace = seconds / done if done else step_seconds()
    rest = max(0.0, 60 * max_minutes - seconds)
    return Plan(min(max_steps, done + _fit(max_steps, rest, pace)), max_steps, max_minutes)


def write(plan: Plan, settings: dict[str, Any], folder: Path) -> None:
    """Keep the plan of a training that has no checkpoint yet, with its settings as plain data."""
    write_whole(folder / FILE_NAME, json.dumps({"plan": asdict(plan), "config": settings}, indent=1).encode())


def read(folder: Path) -> tuple[Plan, dict[str, Any]] | None:
    """Read the plan and the settings of a training that has no checkpoint yet; None where there is none."""
    try:
        data = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
        return Plan(**data["plan"]), dict(data["config"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _fit(max_steps: int, seconds: float, step_seconds: float) -> int:
    return max(1, min(max_steps, int(_SHARE * seconds / max(step_seconds, 1e-9))))
