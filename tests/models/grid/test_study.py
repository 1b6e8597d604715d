"""The study that workers share: each point is done once, whoever dies, whenever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.grid.points import Axes, Point, axis, points, settings_at
from models.grid.storage import GridError, open_storage
from models.grid.study import Attempt, PointStatus, SharedStudy
from models.spectral_vae.settings import TrainConfig
from models.training.errors import ConfigError

GRID = points(Axes((2, 4), (8, 16), (1e-3, 1e-2), (1e-3,)))
GRACE_S = 60.0
Open = Callable[..., SharedStudy]


@pytest.fixture(params=["sqlite", "journal"])
def join(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Join the study as another worker, with a storage of its own."""
    url = f"sqlite:///{tmp_path / 'grid.db'}" if request.param == "sqlite" else str(tmp_path / "grid.journal")

    def joined(
        grid: tuple[Point, ...] = GRID, clock: Callable[[], float] = time.monotonic, **settings: int
    ) -> SharedStudy:
        return SharedStudy(open_storage(url), "grid", grid, dict(settings), GRACE_S, clock)

    return joined


def taken(study: SharedStudy) -> Attempt:
    attempt = study.next()
    assert attempt is not None
    return attempt


def of(study: SharedStudy, point: Point) -> PointStatus:
    return next(status for status in study.statuses() if status.point == point)


def test_workers_at_once_take_each_point_once(join: Open) -> None:
    ready = threading.Barrier(4)

    def work() -> list[Point]:
        ready.wait()
        study, done = join(), []
        while (attempt := study.next()) is not None:
            assert study.complete(attempt, 1.0, {"kl": 2.0})
            done.append(attempt.point)
        return done

    with ThreadPoolExecutor(4) as pool:
        each = [future.result() for future in [pool.submit(work) for _ in range(4)]]
    everything = [point for done in each for point in done]
    assert sorted(everything, key=str) == sorted(GRID, key=str)
    assert sorted(join().completed(), key=str) == sorted(GRID, key=str)
    assert join().finished()


class Clock:
    """A clock that advances only when the test advances it."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_worker_that_no_longer_beats_loses_its_point_to_others(join: Open) -> None:
    clock = Clock()
    dead, other = join(), join(clock=clock)
    lost = taken(dead)
    while (attempt := other.next()) is not None:
        other.complete(attempt, 1.0, {})
    clock.now = GRACE_S - 1
    assert other.next() is None
    clock.now = GRACE_S + 1
    again = taken(other)
    assert again.point == lost.point
    assert (lost.attempt, again.attempt) == (0, 1)
    # Back from the dead, it may hand nothing in.
    assert not dead.complete(lost, 0.0, {})
    assert other.complete(again, 3.0, {})
    assert of(join(), lost.point).figures == {"value": 3.0}
    assert len(join().completed()) == len(GRID)


def test_a_worker_that_beats_keeps_its_point_however_long_it_takes(join: Open) -> None:
    clock = Clock()
    slow, other = join(), join(clock=clock)
    mine = taken(slow)
    while (attempt := other.next()) is not None:
        other.complete(attempt, 1.0, {})
    for count in range(1, 6):
        slow.beat(mine, count)
        clock.now += 0.8 * GRACE_S
        assert other.next() is None
    assert slow.complete(mine, 1.0, {})


def test_an_interrupted_point_is_retried_and_a_broken_one_is_not(join: Open) -> None:
    study = join()
    first = taken(study)
    study.fail(first, "Interrupted at step 3", again=True)
    assert of(study, first.point).state in ("waiting", "failed")
    attempts = []
    while (attempt := study.next()) is not None:
        attempts.append(attempt)
        if attempt.point == first.point:
            assert attempt.attempt == 1
            study.fail(attempt, "it diverged", again=False)
        else:
            study.complete(attempt, 1.0, {})
    assert len(attempts) == len(GRID)
    assert of(study, first.point).state == "failed"
    assert "it diverged" in of(study, first.point).reason
    assert study.finished()


def test_a_point_whose_workers_always_die_is_given_up(join: Open) -> None:
    study = join(grid=GRID[:1])
    tries = 0
    while (attempt := study.next()) is not None:
        study.fail(attempt, "its worker died", again=True)
        tries += 1
    assert tries == 4
    assert study.finished()


def test_another_grid_or_other_settings_are_not_mixed_in(join: Open) -> None:
    join(seed=1)
    for wrong in ({"grid": GRID[:2], "seed": 1}, {"seed": 2}):
        with pytest.raises(GridError, match="other points or settings"):
            join(**wrong)


def test_a_storage_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database")
    with pytest.raises(GridError, match="cannot be opened"):
        open_storage(f"sqlite:///{tmp_path / 'text.db'}")
    with pytest.raises(GridError, match="cannot be opened"):
        open_storage("nothing://at/all")


def test_a_point_changes_only_the_settings_that_it_names() -> None:
    base = TrainConfig(max_steps=7)
    made = settings_at(base, Point(5, 64, 0.5, 0.01))
    assert (made.model.latent, made.model.hidden, made.model.encoder_hidden) == (5, 64, 40)
    assert (made.beta, made.learning_rate, made.max_steps, made.model.bands) == (0.5, 0.01, 7, base.model.bands)


def test_axes_are_parsed_and_invalid_ones_refused() -> None:
    assert axis("2, 4,8", 1, int, "latent") == (2, 4, 8)
    assert axis(None, 0.5, float, "beta") == (0.5,)
    with pytest.raises(ConfigError, match="--latent takes numbers"):
        axis("2.5", 1, int, "latent")
    with pytest.raises(ConfigError, match="each of them once"):
        points(Axes((2, 2), (8,), (1.0,), (1.0,)))
