"""`glitch-lab train playable`: a model of harmonics and noise, played by pitch and loudness."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from models.commands.shared.process import command_line
from models.commands.shared.progress_bars import stages


def train_playable(
    data: Annotated[Path, typer.Argument(help="A manifest of single notes, or the folder that holds it.")],
    out: Annotated[
        Path, typer.Argument(metavar="OUT_DIR", help="Folder for the model, its page, checkpoints and logs.")
    ],
    seed: Annotated[int, typer.Option(min=0, help="Seed of all random numbers.")] = 0,
    max_steps: Annotated[int, typer.Option(min=1, help="Stop after this many steps.")] = 20_000,
    max_minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes", "--max-minutes", help="Stop after this many minutes, plus the time for presets and encoder."
        ),
    ] = None,
    fit_steps: Annotated[
        int, typer.Option(min=1, help="Steps to fit the presets, and the encoder of live sound.")
    ] = 3_000,
    latent: Annotated[int, typer.Option(min=1, help="Number of latents.")] = 8,
    resume: Annotated[bool, typer.Option("--resume", help="Resume from the last checkpoint.")] = False,
    cache: Annotated[Path | None, typer.Option(help="Folder for analysed sounds. Default: OUT_DIR/features.")] = None,
) -> None:
    """Train a model of harmonics and noise, on the CPU; ends with a model file that plays, and a page."""
    from models.playable_vae.finish import finish
    from models.playable_vae.network import PlayableConfig
    from models.playable_vae.settings import PlayableSettings
    from models.playable_vae.train import train
    from models.training.run_config import RunConfig

    settings = PlayableSettings(
        model=PlayableConfig(latent=latent),
        seed=seed,
        max_steps=max_steps,
        max_minutes=max_minutes,
        fit_steps=fit_steps,
    )
    run = RunConfig(out, cache, resume, accelerator="cpu", command=command_line())
    with stages() as on_progress:
        made = train(data, run, settings, on_progress=on_progress)
        files = finish(made, data, run, on_progress=on_progress)
    print(
        f"{made.provenance.steps} steps, {made.vae.parameter_count()} weights, presets of "
        f"{len(made.presets.instruments)} instruments"
    )
    print(f"report: {files.report}")
    print(f"play it: glitch-live {shlex.quote(str(files.model))}")
