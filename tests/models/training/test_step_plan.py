from pathlib import Path

import pytest

from models.training import step_plan
from models.training.step_plan import Plan


def never() -> float:
    raise AssertionError("the clock was asked")


def test_a_plan_in_steps_does_not_depend_on_the_clock() -> None:
    assert step_plan.begin(500, None, never) == Plan(500, 500)


def test_minutes_become_steps_once() -> None:
    made = step_plan.begin(10**9, 10.0, lambda: 0.1)
    assert made.steps == pytest.approx(6_000 * 0.95, abs=1)
    assert step_plan.begin(100, 10.0, lambda: 0.1).steps == 100
    assert step_plan.begin(10**9, 0.01, lambda: 100.0).steps == 1


def test_the_same_settings_keep_the_plan_however_slow_it_was() -> None:
    kept = step_plan.begin(10**9, 10.0, lambda: 0.1)
    assert step_plan.go_on(kept, 10**9, 10.0, never, done=50, seconds=10_000) is kept
    assert step_plan.go_on(Plan(500, 500), 500, None, never, done=50, seconds=1) == Plan(500, 500)


def test_other_settings_plan_the_rest_by_the_pace_so_far() -> None:
    kept = step_plan.begin(10**9, 10.0, lambda: 0.1)
    longer = step_plan.go_on(kept, 10**9, 20.0, never, done=1_000, seconds=200.0)
    assert longer.steps == pytest.approx(1_000 + 0.95 * 1_000 / 0.2, abs=1)
    assert step_plan.go_on(kept, 700, None, never, done=50, seconds=1) == Plan(700, 700)
    assert step_plan.go_on(kept, 10**9, 1.0, lambda: 0.1, done=0, seconds=0.0).steps == pytest.approx(570, abs=1)


def test_a_plan_is_read_back_and_rubbish_is_none(tmp_path: Path) -> None:
    assert step_plan.read(tmp_path) is None
    step_plan.write(Plan(7, 9, 0.5), {"seed": 3}, tmp_path / "new")
    assert step_plan.read(tmp_path / "new") == (Plan(7, 9, 0.5), {"seed": 3})
    (tmp_path / "new" / step_plan.FILE_NAME).write_text('{"plan": 3')
    assert step_plan.read(tmp_path / "new") is None
