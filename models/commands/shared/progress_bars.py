"""Progress bars of `glitch-lab`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

console = Console(stderr=True)


@contextmanager
def progress(text: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar with the remaining time, updated by calls of (done, total)."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=max(1, min(40, console.width - 40))),  # the other columns keep their width
        MofNCompleteColumn(),
        TextColumn("to go"),
        TimeRemainingColumn(),
        console=console,
    )
    task = bar.add_task(text, total=None)

    def advance(done: int, total: int) -> None:
        if not bar.live.is_started and (done == 1 or done < total):
            bar.start()
        bar.update(task, completed=done, total=total)
        if done == total and bar.live.is_started:
            bar.stop()

    try:
        yield advance
    finally:
        if bar.live.is_started:  # else stopping would print an empty line
            bar.stop()


@contextmanager
def stages() -> Iterator[Callable[[str, int, int], None]]:
    """Show a progress bar for each stage of some work, updated by calls of (stage, done, total)."""
    with ExitStack() as stack:
        bars: dict[str, Callable[[int, int], None]] = {}

        def advance(stage: str, done: int, total: int) -> None:
            if stage not in bars:
                bars[stage] = stack.enter_context(progress(stage))
            bars[stage](done, total)

        yield advance
