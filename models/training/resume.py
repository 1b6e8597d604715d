"""Resuming: the training that an earlier run left in a folder, and whether new settings may continue it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from models.training import step_plan
from models.training.checkpoint import load_plain
from models.training.errors import CheckpointError, ConfigError
from models.training.run_config import RunConfig, is_joining_process, last_checkpoint
from models.training.scheduled_module import SETTINGS_KEY
from models.training.step_plan import Plan

S = TypeVar("S")


@dataclass(frozen=True)
class Started(Generic[S]):
    """A training that an earlier run began.

    Attributes
    ----------
    settings
        Its settings.
    plan
        Its plan.
    checkpoint
        The checkpoint to resume from; None if the run ended before there was one.
    """

    settings: S
    plan: Plan | None
    checkpoint: Path | None


def find_started(out: Path, from_plain: Callable[[dict[str, Any]], S]) -> Started[S] | None:
    """Find the training that was begun in a folder.

    Parameters
    ----------
    out
        The folder of the run.
    from_plain
        Makes the architecture's settings from plain data; raises KeyError or TypeError if they are of another one.

    Returns
    -------
    started : Started or None
        None if no training was begun there.

    Raises
    ------
    CheckpointError
        There is a training of another kind.
    """
    last = last_checkpoint(out)
    kept: Plan | None
    if last.is_file():
        stored = load_plain(last).get(SETTINGS_KEY, {})
        found, kept = stored.get("config", {}), Plan(**stored["plan"]) if stored.get("plan") else None
    else:
        planned = step_plan.read(last.parent)
        if planned is None:
            return None
        kept, found = planned
    try:
        return Started(from_plain(found), kept, last if last.is_file() else None)
    except (KeyError, TypeError, ConfigError):
        raise CheckpointError(f"{last} is not of a training of this kind; begin without --resume.") from None


def started(out: Path, from_plain: Callable[[dict[str, Any]], S]) -> Started[S]:
    """Find the training to resume in a folder, as `find_started` does.

    Parameters
    ----------
    out, from_plain
        As in `find_started`.

    Returns
    -------
    started : Started

    Raises
    ------
    CheckpointError
        There is none, or one of another kind.
    """
    found = find_started(out, from_plain)
    if found is None:
        raise CheckpointError(f"There is nothing to resume in {out}; begin without --resume.")
    return found


def open_run(run: RunConfig, from_plain: Callable[[dict[str, Any]], S]) -> Started[S] | None:
    """Check the folder of a run, and find the training that it resumes.

    Parameters
    ----------
    run
        The run.
    from_plain
        As in `find_started`.

    Returns
    -------
    started : Started or None
        The training to resume; None if the run begins one.

    Raises
    ------
    ConfigError
        The folder is a file, or already holds a training that would be overwritten.
    CheckpointError
        There is nothing to resume, or a training of another kind.
    """
    run.check()
    if run.resume:
        return started(run.out, from_plain)
    if run.last.exists() and not is_joining_process():
        raise ConfigError(f"{run.out} already holds a training; give --resume, or another folder.")
    return None


def check_unchanged(before: object, now: object, names: Iterable[str]) -> None:
    """Refuse to resume a training with settings that would make it another one.

    Raises
    ------
    ConfigError
        Names the first setting of `names` that changed.
    """
    for name in names:
        old, new = getattr(before, name), getattr(now, name)
        if old != new:
            raise ConfigError(f"The training began with {name} = {old}, not {new}; keep it, or begin anew.")
