"""`glitch-lab train travel`: a model that transforms one kind of sound into another, live."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from models.commands.shared.process import command_line
from models.commands.shared.progress_bars import stages


def train_travel(
    source: Annotated[Path, typer.Argument(metavar="SOURCE_FOLDER", help="Sounds like the live input.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET_FOLDER", help="Sounds like the output.")],
    out: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Folder for the model, its page, pictures, logs.")],
    preset: Annotated[
        str, typer.Option(help="halves or thirds, as published; notes keeps pitch and rhythm.")
    ] = "notes",
    steps: Annotated[int | None, typer.Option(min=1, help="Stop after this many steps.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after this many minutes.")] = None,
    low_memory: Annotated[bool, typer.Option("--low-memory", help="Hold four spectrograms at a time.")] = False,
    no_stitching: Annotated[
        bool, typer.Option("--no-stitching", help="Generate each spectrogram in one piece.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Resume from the last checkpoint.")] = False,
    seed: Annotated[int | None, typer.Option(min=0, max=2**32 - 1, help="Seed of all random numbers.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for analysed sounds. Default: OUT_DIR/spectra.")] = None,
    accelerator: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "auto",
) -> None:
    """Train a model that transforms one kind of sound into another; ends with a model file that plays, and a page."""
    from dataclasses import replace

    from models.training.resume import find_started
    from models.training.run_config import RunConfig
    from models.travelgan.finish import finish, rows
    from models.travelgan.settings import from_plain
    from models.travelgan.settings import preset as settings_of
    from models.travelgan.train import train

    started = find_started(out, from_plain) if resume else None
    if started is None:
        limit = steps or (10**9 if minutes else None)
        stitching = False if no_stitching else None
        settings = settings_of(
            preset, low_memory=low_memory, max_steps=limit, max_minutes=minutes, stitching=stitching, seed=seed
        )
    else:
        settings = started.settings
        if steps or minutes:
            settings = replace(settings, max_steps=steps or 10**9, max_minutes=minutes)
    run = RunConfig(out, cache, resume, accelerator, command=command_line())
    with stages() as on_progress:
        made = train(source, target, run, settings, on_progress=on_progress)
    print(
        "trained; proving the model file, evaluating it and writing its page, which takes a minute or two", flush=True
    )
    files, evaluation = finish(made, settings, run)
    for what, value in rows(evaluation):
        print(f"{what}: {value}")
    print(f"{made.model.provenance.steps} steps; report: {files.report}")
    print(f"play it: glitch-live --model {shlex.quote(str(files.model))}")
