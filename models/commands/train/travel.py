"""`glitch-lab train travel`: one kind of sound turned into another, live."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from models.commands.terminal import command_line, progress


def train_travel(
    source: Annotated[Path, typer.Argument(metavar="SOURCE_FOLDER", help="Sounds of what comes in live.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET_FOLDER", help="Sounds of what it is turned into.")],
    out: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Folder for the model, its page, pictures, logs.")],
    preset: Annotated[
        str, typer.Option(help="halves or thirds, as published; notes keeps pitch and rhythm.")
    ] = "notes",
    steps: Annotated[int | None, typer.Option(min=1, help="Stop after so many steps.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after so many minutes.")] = None,
    low_memory: Annotated[bool, typer.Option("--low-memory", help="Hold four spectrograms at a time.")] = False,
    no_stitching: Annotated[bool, typer.Option("--no-stitching", help="Make each spectrogram at once.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the last checkpoint stands.")] = False,
    seed: Annotated[int | None, typer.Option(min=0, max=2**32 - 1, help="Seed of everything that is random.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for analysed sounds; else OUT_DIR/spectra.")] = None,
    accelerator: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "auto",
) -> None:
    """Train what turns one folder of sounds into the other, with borders that are not heard."""
    from dataclasses import replace

    from models.travelgan.finish import complete, rows
    from models.travelgan.presets import preset as settings_called
    from models.travelgan.train import TravelRun, settings_of, train

    settings = settings_of(out) if resume else None
    if settings is None:
        limit = steps or (10**9 if minutes else None)
        stitching = False if no_stitching else None
        settings = settings_called(
            preset, low_memory=low_memory, max_steps=limit, max_minutes=minutes, stitching=stitching, seed=seed
        )
    elif steps or minutes:
        settings = replace(settings, max_steps=steps or 10**9, max_minutes=minutes)
    run = TravelRun(source, target, out, cache, resume, accelerator, command_line())
    with ExitStack() as stack:
        bars = {}

        def tell(what: str, done: int, total: int) -> None:
            if done == 1:
                bars[what] = stack.enter_context(progress(what))
            bars[what](done, total)

        made = train(run, settings, tell=tell)
    print("trained; proving the model file, judging it and writing its page, which takes a minute or two", flush=True)
    done = complete(made, settings, out)
    for what, value in rows(done.verdict):
        print(f"{what}: {value}")
    print(f"{made.model.provenance.steps} steps; report: {done.page}")
    print(f"play it: glitch-live --model {shlex.quote(str(done.model))}")
