"""What commands share: the terminal, bars of progress, and the command line as it was typed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

console = Console(stderr=True)


@contextmanager
def progress(text: str) -> Iterator[Callable[[int, int], None]]:
    """Draw a bar with the time to go, driven by calls of (done, total); it closes itself when all is done."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=max(1, min(40, console.width - 40))),  # the rest keeps its width
        MofNCompleteColumn(),
        TextColumn("to go"),
        TimeRemainingColumn(),
        console=console,
    )
    task = bar.add_task(text, total=None)

    def advance(done: int, total: int) -> None:
        if done == 1:
            bar.start()
        bar.update(task, completed=done, total=total)
        if done == total:
            bar.stop()

    try:
        yield advance
    finally:
        if bar.live.is_started:  # else stopping would print an empty line
            bar.stop()


def typed() -> str:
    """Give the command line as it was typed, for provenance."""
    return shlex.join(["glitch-lab", *sys.argv[1:]])
