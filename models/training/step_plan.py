"""The number of steps of a training, fixed when it begins: as given, or as many as its minutes allow.

Learning rate and loss weights follow from how much of the plan is done. If they followed the clock, no training could
be repeated; so the time of a step is measured once, and the number of steps that results is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from models.files.atomic import write_whole

FILE_NAME = "plan.json"

_SHARE = 0.95
"""Share of the minutes that is left for steps; the rest is for checkpoints and previews."""


@dataclass(frozen=True)
class Plan:
    """The `steps` of a training, and the limits that they were computed from."""

    steps: int
    max_steps: int
    max_minutes: float | None = None


def begin(max_steps: int, max_minutes: float | None, step_seconds: Callable[[], float]) -> Plan:
    """Plan a training.

    Parameters
    ----------
    max_steps
        Largest number of steps.
    max_minutes
        Time limit; None for no limit.
    step_seconds
        Measures how long a step takes, seconds; called only if minutes are given.

    Returns
    -------
    plan : Plan
        Of at least one step, and of no more than `max_steps` or the minutes allow.
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
    """Plan the rest of a training that is resumed.

    Parameters
    ----------
    kept
        The plan so far.
    max_steps, max_minutes
        Limits of the whole training; None for no time limit.
    step_seconds
        Measures how long a step takes, seconds; called only if minutes are given and no step is done.
    done, seconds
        Steps done, and how long they took.

    Returns
    -------
    plan : Plan
        `kept` if the limits are unchanged, even if steps now take longer.
    """
    if (max_steps, max_minutes) == (kept.max_steps, kept.max_minutes):
        return kept
    if max_minutes is None:
        return Plan(max_steps, max_steps)
    pace = seconds / done if done else step_seconds()
    rest = max(0.0, 60 * max_minutes - seconds)
    return Plan(min(max_steps, done + _fit(max_steps, rest, pace)), max_steps, max_minutes)


def write(plan: Plan, settings: dict[str, Any], folder: Path) -> None:
    """Store the plan and the settings (plain data) of a training that has no checkpoint yet."""
    write_whole(folder / FILE_NAME, json.dumps({"plan": asdict(plan), "config": settings}, indent=1).encode())


def read(folder: Path) -> tuple[Plan, dict[str, Any]] | None:
    """Read the plan and the settings of a training that has no checkpoint yet; None if there is none."""
    try:
        data = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
        return Plan(**data["plan"]), dict(data["config"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _fit(max_steps: int, seconds: float, step_seconds: float) -> int:
    return max(1, min(max_steps, int(_SHARE * seconds / max(step_seconds, 1e-9))))
