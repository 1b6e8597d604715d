"""The progress of a training on the terminal: share done, losses, time spent and time to go."""

from __future__ import annotations

from typing import Any

import lightning as L
from lightning.pytorch.utilities.types import STEP_OUTPUT
from rich import get_console
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column

from models.training.scheduled_module import HELD_OUT_LOSS, ScheduledModule

_LINE_WIDTH = 90
_MIN_BAR = 8


class ProgressLine(L.Callback):
    """Shows one line on a terminal, and prints one for each evaluation elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or get_console()
        self.display: Progress | None = None
        self.task: TaskID | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Print the plan, and open the line if there is a terminal to draw on."""
        planned = getattr(pl_module, "plan", None)
        if trainer.is_global_zero and planned is not None and planned.max_minutes is not None:
            print(f"{planned.steps} steps, about {planned.max_minutes:g} min", flush=True)
        if trainer.is_global_zero and planned is not None and trainer.global_step:
            print(f"going on at step {trainer.global_step} of {planned.steps}", flush=True)
        if not (trainer.is_global_zero and self.console.is_terminal):
            return
        # Percentage and times keep their width; the bar needs room to spare, and the figures take the rest.
        room = self.console.width - _LINE_WIDTH
        self.display = Progress(
            *([TextColumn("training"), BarColumn(bar_width=min(40, room))] if room >= _MIN_BAR else []),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("to go"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}", table_column=Column(ratio=1, no_wrap=True)),
            console=self.console,
            expand=True,
        )
        self.task = self.display.add_task("training", total=1.0, text="")
        self.display.start()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: STEP_OUTPUT, batch: Any, batch_idx: int
    ) -> None:
        """Update the line."""
        if self.display is None or self.task is None or trainer.global_step % 10:
            return
        assert isinstance(pl_module, ScheduledModule)
        self.display.update(self.task, completed=pl_module.progress, text=_figures(trainer))

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Print a line if there is no terminal to draw on."""
        if self.console.is_terminal or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, ScheduledModule)
        print(f"{progress_text(pl_module)}  {_figures(trainer)}", flush=True)

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Close the line."""
        self._close()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Close the line, and show the terminal's cursor again."""
        self._close()

    def _close(self) -> None:
        if self.display is not None:
            self.display.stop()


def progress_text(module: ScheduledModule) -> str:
    """Describe the progress of a training: percentage, minutes spent and minutes to go."""
    done, minutes = module.progress, module.seconds / 60
    to_go = minutes * (1 - done) / max(done, 1e-9)
    return f"{100 * done:3.0f} %  {minutes:.1f} min, {to_go:.1f} to go"


def _figures(trainer: L.Trainer) -> str:
    found = trainer.callback_metrics
    text = f"step {trainer.global_step}"
    for name, key in (("loss", "train/loss"), ("held-out", HELD_OUT_LOSS)):
        if key in found:
            text += f"  {name} {float(found[key]):.3f}"
    if "held_out/mel_db" in found:
        text += f"  Δmel {float(found['held_out/mel_db']):.2f} dB"
    return text
