"""`glitch-lab render`: the sound of a take again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from models.commands.shared.progress_bars import progress


def render_command(
    take: Annotated[Path, typer.Argument(metavar="TAKE", help="A .take file, or the journal of a killed session.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.wav", help="The .wav or .flac file to write.")],
    library: Annotated[Path | None, typer.Option(help="Folder of models that have been moved.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Render the sound of a take again, sample for sample, faster than real time."""
    from models.files.sound_writer import check_new
    from realtime.library.library import Library
    from realtime.takes.renderer import render

    check_new(out, force=force)
    began = time.monotonic()
    with progress("rendering") as on_share:
        made = render(take, out, Library(library), lambda share: on_share(round(1000 * share), 1000))
    speed = made.seconds / (time.monotonic() - began)
    print(f"{out}: {made.seconds:.1f} s of sound, {speed:.1f} times real time.")
    if made.lost:
        print(f"{made.lost} events were not recorded in the take, so this is not exactly the sound that was played.")
