"""`glitch-lab train vae`: from sounds to a model that plays, and a report."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from models.commands.shared.process import command_line
from models.commands.shared.progress_bars import stages

DEFAULT_FOLDER = Path("runs")
_MAX_WORKERS = 8


def train_vae(
    data: Annotated[
        Path, typer.Argument(help="A folder of sounds, or of a folder a label; a manifest; or a folder that holds one.")
    ],
    out: Annotated[
        Path | None,
        typer.Argument(
            metavar="[OUT_DIR]", help="Folder for the model, its report, checkpoints and logs; default: runs/NAME."
        ),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="A named set of settings: fast, good or overnight.")] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file of settings.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all random numbers.")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Stop after this many steps.")] = None,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", "--max-minutes", help="Train for as many steps as fit into this many minutes."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume from the last checkpoint.")] = False,
    hold_out: Annotated[str | None, typer.Option(help="Unit of the held-out split: file, label or pitch.")] = None,
    share: Annotated[float, typer.Option("--held-out", help="Share to hold out.")] = 0.2,
    prepare: Annotated[
        bool | None,
        typer.Option(
            "--prepare/--as-it-is", help="Trim and level sounds. Default: those of a folder, not of a manifest."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes that analyse sounds. Default: one per core.")
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for analysed sounds. Default: OUT_DIR/features.")] = None,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, gpu or mps.")] = "auto",
    devices: Annotated[str, typer.Option(help="Number of devices.")] = "auto",
    nodes: Annotated[int, typer.Option(help="Machines that train together (start this on each).")] = 1,
) -> None:
    """Train the spectral VAE on sounds; ends with a model file that plays, and a report."""
    from models.data import held_out_split
    from models.spectral_vae import settings as configs
    from models.spectral_vae.finish import finish
    from models.spectral_vae.train import Data, train
    from models.training.resume import started
    from models.training.run_config import RunConfig

    out = out or DEFAULT_FOLDER / name_of(data)
    changes = {"seed": seed, "max_steps": max_steps, "max_minutes": minutes, "prepare": prepare}
    held = None if hold_out is None else held_out_split.known(hold_out)
    if resume and config is None and preset is None:
        settings = configs.changed(started(out, configs.from_plain).settings, **changes)
    else:
        settings = configs.read(config, preset=preset, **changes)
    run = RunConfig(out, cache, resume, accelerator, devices, nodes, command_line())
    processes = min(os.cpu_count() or 1, _MAX_WORKERS) if workers is None else workers
    with stages() as on_progress:
        made = train(Data(data, held, share, processes), run, settings, on_progress=on_progress, notify=print)
    if not made.first:
        return
    files = finish(made, run)
    print(f"best of {made.steps} steps: step {made.trained.provenance.steps} (held-out {made.held_out:.3f})")
    print(f"report: {files.report}")
    print(f"play it: glitch-live {shlex.quote(str(files.model))}")


def name_of(data: Path) -> str:
    """Give the name of a data set: that of its folder, or of a manifest that isn't called as all are."""
    path = data.resolve()
    if path.suffix == ".json":
        return path.parent.name if path.stem == "manifest" else path.stem
    return path.name
