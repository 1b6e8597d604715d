"""`glitch-lab train vae`: from sounds to a model that plays, and a report."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from models.commands.terminal import command_line, progress

DEFAULT_FOLDER = Path("runs")
_MOST_WORKERS = 8


def train_vae(
    data: Annotated[
        Path, typer.Argument(help="A folder of sounds, or of a folder a label; a manifest; or a folder that holds one.")
    ],
    out: Annotated[
        Path | None,
        typer.Argument(
            metavar="[OUT_DIR]", help="Folder for the model, its report, checkpoints and logs; else runs/NAME."
        ),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Settings that go together: fast, good or overnight.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings, a TOML file.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything that is random.")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Stop after so many steps.")] = None,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", "--max-minutes", help="Train for as many steps as so many minutes will do."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the last checkpoint stands.")] = False,
    hold_out: Annotated[str | None, typer.Option(help="What is held out to judge by: file, label or pitch.")] = None,
    share: Annotated[float, typer.Option("--held-out", help="Share to hold out.")] = 0.2,
    prepare: Annotated[
        bool | None,
        typer.Option("--prepare/--as-it-is", help="Trim sounds and level them; else a folder's, not a manifest's."),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that analyse sounds; else one a core.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for analysed sounds; else OUT_DIR/features.")] = None,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, gpu or mps.")] = "auto",
    devices: Annotated[str, typer.Option(help="How many of them.")] = "auto",
    nodes: Annotated[int, typer.Option(help="Machines that train together (start this on each).")] = 1,
) -> None:
    """Train the spectral VAE on sounds; ends with a model file that plays, and a report."""
    from models.data import split
    from models.spectral import settings as configs

    out = out or DEFAULT_FOLDER / name_of(data)
    changes = {"seed": seed, "max_steps": max_steps, "max_minutes": minutes, "prepare": prepare}
    held = None if hold_out is None else split.known(hold_out)
    if resume and config is None and preset is None:
        from models.spectral.train import begun

        settings = configs.changed(begun(out).settings, **changes)
    else:
        settings = configs.read(config, preset=preset, **changes)
    from models.spectral.finish import complete
    from models.spectral.train import Run, train

    run = Run(
        data,
        out,
        cache,
        resume,
        accelerator,
        devices,
        nodes,
        command_line(),
        hold_out=held,
        share=share,
        workers=min(os.cpu_count() or 1, _MOST_WORKERS) if workers is None else workers,
    )
    with progress("reading") as on_file, progress("analysing") as on_sound:
        made = train(run, settings, on_file=on_file, on_sound=on_sound, tell=print)
    if not made.first:
        return
    done = complete(made, out)
    print(f"best of {made.steps} steps: step {made.trained.provenance.steps} (held-out {made.held_out:.3f})")
    print(f"report: {done.report}")
    print(f"play it: glitch-live {shlex.quote(str(done.model))}")


def name_of(data: Path) -> str:
    """Give the name of a data set: that of its folder, or of a manifest that isn't called as all are."""
    path = data.resolve()
    if path.suffix == ".json":
        return path.parent.name if path.stem == "manifest" else path.stem
    return path.name
