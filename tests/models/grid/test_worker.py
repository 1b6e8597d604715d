"""Twelve points, two workers on one storage, one of which is killed in the middle and replaced."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.grid.points import Axes, points
from models.grid.storage import open_storage
from tests.models.tones import TINY, write_tones

ROOT = Path(__file__).parents[3]
GRID = points(Axes((2, 3, 4), (16, 24), (1e-3, 1e-2), (2e-3,)))


class Worker:
    """A `glitch-lab grid` in a process of its own."""

    def __init__(self, *arguments: object) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "models.cli", "grid", *map(str, arguments)],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )

    def until(self, kind: str, times: int = 1) -> None:
        """Read what it says until it has said so often that it has begun a point, or done one."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if self.said(kind) >= times:
                return
        raise AssertionError(f"it ended before: {self.lines}")

    def said(self, kind: str) -> int:
        return sum(line.startswith(f"{kind} ") for line in self.lines)

    def end(self) -> None:
        assert self.process.stdout is not None
        self.lines += self.process.stdout
        assert self.process.wait(60) == 0, self.lines


@pytest.mark.timeout(900)
def test_two_workers_finish_each_of_twelve_points_once_though_one_is_killed(tmp_path: Path) -> None:
    sounds, out, settings = write_tones(tmp_path / "sounds"), tmp_path / "grid", tmp_path / "tiny.toml"
    settings.write_text("max_steps = 8\n" + TINY.replace("check_every = 20", "check_every = 4"))
    storage = f"sqlite:///{tmp_path / 'grid.db'}"
    axes = ("--latent", "2,3,4", "--capacity", "16,24", "--beta", "1e-3,1e-2", "--learning-rate", "2e-3")
    arguments = (sounds, out, *axes, "--config", settings, "--storage", storage, "--grace", "5", "--accelerator", "cpu")
    first, second = Worker(*arguments), Worker(*arguments)
    first.until("done")
    first.until("begun", first.said("begun") + (first.said("begun") == first.said("done")))
    first.process.kill()
    first.process.wait()
    third = Worker(*arguments)
    for worker in (second, third):
        worker.end()
    shared = open_storage(storage)
    (study,) = shared.get_all_studies()
    trials = shared.get_all_trials(study._study_id)
    done = [trial.params for trial in trials if trial.state.name == "COMPLETE"]
    assert len(done) == len(GRID) == 12
    assert {tuple(params.values()) for params in done} == {
        (point.latent, point.capacity, point.beta, point.learning_rate) for point in GRID
    }
    assert not [trial for trial in trials if not trial.state.is_finished()]
    assert sum(worker.said("done") for worker in (first, second, third)) == 12
    # The remaining files: a table, a page, and a model a point.
    with (out / "grid.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    losses = [float(row["value"]) for row in rows]
    assert len(rows) == 12
    assert losses == sorted(losses)
    assert {row["state"] for row in rows} == {"done"}
    assert (out / "grid.html").read_text().count("<polyline") >= 3 * 2
    for point in GRID:
        assert list((out / point.name).glob("*/model.ckpt"))
    assert any("12 of 12 points" in line for line in second.lines)


def test_a_killed_workers_checkpoint_is_gone_on_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from models.data.open_data import DataRequest
    from models.grid import worker
    from models.grid.study import SharedStudy
    from models.spectral_vae.lightning_module import SpectralModule
    from models.spectral_vae.settings import read

    (tmp_path / "tiny.toml").write_text(f"max_steps = 40\n{TINY}")
    base = read(tmp_path / "tiny.toml")
    place = worker.Place(DataRequest(write_tones(tmp_path / "sounds")), tmp_path / "grid", "cpu")
    study = SharedStudy(open_storage(str(tmp_path / "journal")), "grid", GRID[:1], {}, 60.0)
    original, begun = SpectralModule.training_step, []

    def dies(self: SpectralModule, *given: object) -> object:
        begun.append(self.global_step)
        if begun == list(range(31)):
            raise OSError("the disk is full")
        return original(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(SpectralModule, "training_step", dies)
    with pytest.raises(OSError, match="disk is full"):
        worker.work(study, place, base)
    worker.work(study, place, base)
    assert begun == [*range(31), *range(20, 40)]  # the first attempt left a checkpoint at step 20
    (status,) = study.statuses()
    assert status.state == "done"
    assert status.figures["steps"] == 40
    assert status.figures["kl"] > 0
