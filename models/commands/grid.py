"""`glitch-lab grid`: the same training at every point of a grid."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from models.commands.shared.process import command_line
from models.commands.shared.progress_bars import stages
from models.commands.train.vae import name_of

_STORAGE = "grid.journal"


def grid(
    data: Annotated[Path, typer.Argument(help="A folder of sounds, a manifest, or a folder that holds one.")],
    out: Annotated[
        Path | None, typer.Argument(metavar="[OUT_DIR]", help="Folder for all trainings. Default: runs/NAME-grid.")
    ] = None,
    latent: Annotated[str | None, typer.Option(help="Numbers of latents to try, separated by commas.")] = None,
    capacity: Annotated[str | None, typer.Option(help="Widths of the layers to try, separated by commas.")] = None,
    beta: Annotated[str | None, typer.Option(help="Weights of the KL divergence to try, separated by commas.")] = None,
    learning_rate: Annotated[str | None, typer.Option(help="Learning rates to try, separated by commas.")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Steps at each point.")] = None,
    storage: Annotated[
        str | None,
        typer.Option(help="sqlite:///FILE, another database, or a file's path. Default: OUT_DIR/grid.journal."),
    ] = None,
    study: Annotated[str, typer.Option(help="Name of the study in the storage.")] = "grid",
    grace: Annotated[
        float, typer.Option(min=1, help="Seconds without a heartbeat after which a worker counts as dead.")
    ] = 60.0,
    preset: Annotated[str | None, typer.Option(help="A named set of settings: fast, good or overnight.")] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file of settings for every point.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every training.")] = None,
    hold_out: Annotated[str | None, typer.Option(help="Unit of the held-out split: file, label or pitch.")] = None,
    share: Annotated[float, typer.Option("--held-out", help="Share to hold out.")] = 0.2,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, gpu or mps.")] = "auto",
) -> None:
    """Train at every point of a grid; start it again, here or on other machines, to share the work or to resume."""
    from models.data import held_out_split
    from models.data.open_data import DataRequest, is_raw
    from models.grid import points as grids
    from models.grid import results
    from models.grid.storage import open_storage
    from models.grid.study import SharedStudy
    from models.grid.worker import Place, folder_of, work
    from models.spectral_vae import settings as configs

    base = configs.read(config, preset=preset, seed=seed, max_steps=max_steps)
    base = replace(base, prepare=is_raw(data) if base.prepare is None else base.prepare)
    axes = grids.Axes(
        latent=grids.axis(latent, base.model.latent, int, "latent"),
        capacity=grids.axis(capacity, base.model.hidden, int, "capacity"),
        beta=grids.axis(beta, base.beta, float, "beta"),
        learning_rate=grids.axis(learning_rate, base.learning_rate, float, "learning-rate"),
    )
    points = grids.points(axes)
    for point in points:
        configs.check(grids.settings_at(base, point))
    out = out or Path("runs") / f"{name_of(data)}-grid"
    held = None if hold_out is None else held_out_split.known(hold_out)
    shared = SharedStudy(open_storage(storage or str(out / _STORAGE)), study, points, asdict(base), grace)
    place = Place(DataRequest(data, held, share, base.seed), out, accelerator, command_line())
    with stages() as on_progress:
        work(shared, place, base, on_progress=on_progress, notify=lambda line: print(line, flush=True))
    found = shared.statuses()
    title = f"{study}: {sum(status.state == 'done' for status in found)} of {len(found)} points"
    Console(width=None if sys.stdout.isatty() else 140).print(results.terminal_table(found, title))
    results.write(found, out, title)
    print(f"table: {out / results.TABLE_FILE}; plots: {out / results.PAGE_FILE}; a folder a point: {out}")
    best = results.ranked(found)[0]
    if best.state == "done":
        folder = shlex.quote(str(folder_of(out, best.point, best.attempt)))
        print(f"export the best: glitch-lab export {folder} NAME.onnx")
