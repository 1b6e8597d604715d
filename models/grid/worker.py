"""One worker of a grid search: takes points and trains until all are done."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from models.data.open_data import DataRequest, open_shared, summary
from models.grid.points import Point, settings_at
from models.grid.study import Attempt, SharedStudy
from models.spectral_vae.settings import TrainConfig
from models.spectral_vae.train import DATA_FILE, Data, Result, train
from models.training.errors import TrainingError
from models.training.run_config import Progress, RunConfig, last_checkpoint, no_progress

_BEATS_PER_GRACE = 5
_FIGURES = ("held_out/mel_db", "held_out/spectral_convergence_db", "held_out/kl")


@dataclass(frozen=True)
class Place:
    """Where a worker reads and writes: the sounds, and a folder that holds a folder for each point."""

    wanted: DataRequest
    out: Path
    accelerator: str = "auto"
    command: str = ""
    workers: int = 0

    @property
    def listed(self) -> Path:
        """The manifest that workers share of sounds that have none."""
        return self.out / DATA_FILE


def work(
    study: SharedStudy,
    place: Place,
    base: TrainConfig,
    *,
    on_progress: Progress = no_progress,
    notify: Callable[[str], None] = lambda line: None,
) -> None:
    """Train at points of a study until all are done, by this worker or others.

    Parameters
    ----------
    study
        The study, joined.
    place
        Where the sounds are, and where the trainings go.
    base
        Settings of every point, except for its own values.
    on_progress
        Called while sounds are read; see `Progress`.
    notify
        Called with a line whenever a point is begun or done.

    Raises
    ------
    TrainingError
        The worker was interrupted; another worker can resume its point.
    """
    opened = open_shared(
        place.wanted,
        place.listed,
        command=place.command,
        on_file=lambda done, total: on_progress("reading", done, total),
    )
    for line in summary(opened.sounds):
        notify(line)
    base = replace(base, prepare=opened.raw if base.prepare is None else base.prepare)
    idle = threading.Event()
    while not study.finished():
        attempt = study.next()
        if attempt is None:
            idle.wait(min(1.0, study.grace_s / _BEATS_PER_GRACE))  # other workers run the last points; they may die
            continue
        notify(f"begun {attempt.point.name}")
        try:
            with _beating(study, attempt):
                made = train(_data(place), _run(place, attempt), settings_at(base, attempt.point), show_progress=False)
        except TrainingError as error:
            interrupted = str(error).startswith("Interrupted")
            study.fail(attempt, str(error), again=interrupted)
            if interrupted:
                raise
            notify(f"failed {attempt.point.name}: {error}")
            continue
        except BaseException as error:
            study.fail(attempt, str(error) or type(error).__name__, again=True)
            raise
        counts = study.complete(attempt, made.held_out, _figures(made))
        notify(f"done {attempt.point.name}: held-out {made.held_out:.3f}" + ("" if counts else ", too late to count"))


def folder_of(out: Path, point: Point, attempt: int) -> Path:
    """Give the folder of an attempt at a point."""
    return out / point.name / str(attempt)


def _data(place: Place) -> Data:
    """Give the sounds: the manifest that the workers share, or the data themselves."""
    return Data(place.listed if place.listed.is_file() else place.wanted.data, workers=place.workers)


def _run(place: Place, attempt: Attempt) -> RunConfig:
    """Make a folder for the attempt, with the last checkpoint of an earlier attempt, if there is one."""
    out = folder_of(place.out, attempt.point, attempt.attempt)
    last = last_checkpoint(out)
    for before in range(attempt.attempt - 1, -1, -1):
        left = last_checkpoint(folder_of(place.out, attempt.point, before))
        if left.is_file() and not last.is_file():
            last.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(left, last)
    return RunConfig(
        out,
        place.out / "features",
        resume=last.is_file(),
        accelerator=place.accelerator,
        command=place.command,
    )


def _figures(made: Result) -> dict[str, float]:
    """Give the figures of the best evaluation, and the size of the model."""
    best = next(row for row in made.rows if row["step"] == made.trained.provenance.steps)
    figures = {name.removeprefix("held_out/"): best[name] for name in _FIGURES if name in best}
    figures |= {"steps": made.steps, "seconds": made.rows[-1]["seconds"]}
    return {**figures, "parameters": made.trained.model.parameter_count()}


@contextmanager
def _beating(study: SharedStudy, attempt: Attempt) -> Iterator[None]:
    """Increment the heartbeat of an attempt while it runs."""
    over = threading.Event()

    def count() -> None:
        beats = 1
        while not over.wait(study.grace_s / _BEATS_PER_GRACE):
            study.beat(attempt, beats)
            beats += 1

    thread = threading.Thread(target=count, daemon=True)
    thread.start()
    with ExitStack() as stack:
        stack.callback(thread.join)
        stack.callback(over.set)
        yield
