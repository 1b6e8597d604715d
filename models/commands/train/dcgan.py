"""`glitch-lab train dcgan`: pictures from noise, or endless sound."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from models.commands.shared.process import command_line


def train_dcgan(
    data: Annotated[
        str,
        typer.Argument(
            metavar="digits|FOLDER|CIFAR_PATH",
            help="'digits' for scikit-learn's, a folder of MNIST's files, CIFAR-10's folder or one of its files; or a "
            "folder of sounds, or their manifest, for an endless generator.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT_DIR", help="Folder for the model, its page, a picture an epoch, checkpoints, logs."
        ),
    ],
    steps: Annotated[
        int | None, typer.Option("--steps", "--max-steps", min=1, help="Stop after this many steps.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", "--max-minutes", help="Train for as many steps as fit into this many minutes."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume from the last checkpoint.")] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of all random numbers. Default: 0.")] = None,
    filters: Annotated[
        int | None, typer.Option(min=1, max=512, help="Filters of the outermost layers. Default: 64.")
    ] = None,
    batch: Annotated[int | None, typer.Option(min=2, max=4096, help="Examples in a step. Default: 64.")] = None,
    latent: Annotated[int | None, typer.Option(min=1, max=512, help="Latent dimensions. Default: 100.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(min=1e-8, max=0.1, help="Of Adam. Default: 2e-4; 1e-4 is more stable.")
    ] = None,
    label_noise: Annotated[
        float | None,
        typer.Option(min=0, max=0.49, help="Share of swapped labels. Default: 0."),
    ] = None,
    no_stitching: Annotated[
        bool,
        typer.Option("--no-stitching", help="Of sound: train on single chunks, to hear the difference."),
    ] = False,
    bf16: Annotated[
        bool, typer.Option("--bf16", help="Compute in bfloat16, twice as fast on processors with it.")
    ] = False,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, gpu or mps.")] = "cpu",
) -> None:
    """Train two networks against each other; ends with a page, and of sound with a model file that plays."""
    from models.dcgan.finish import finish
    from models.dcgan.settings import DcganSettings, from_plain
    from models.dcgan.train import train
    from models.training.resume import started
    from models.training.run_config import RunConfig

    settings = started(out, from_plain).settings if resume else DcganSettings()
    given: dict[str, Any] = {
        "max_steps": steps,
        "max_minutes": minutes,
        "seed": seed,
        "filters": filters,
        "batch": batch,
        "latent": latent,
        "shared": None if latent is None else min(settings.shared, latent * 36 // 100),
        "learning_rate": learning_rate,
        "label_noise": label_noise,
        "stitching": False if no_stitching else None,
        "bf16": True if bf16 else None,
    }
    settings = replace(settings, **{name: value for name, value in given.items() if value is not None})
    run = RunConfig(out, resume=resume, accelerator=accelerator, command=command_line())
    result = train(data, run, settings)
    print("trained; writing its page, and of sound a model file, which takes a minute or two", flush=True)
    files = finish(result, run)
    print(f"{result.steps} steps in {result.minutes:.0f} min; {run.checkpoint}")
    print(f"report: {files.report}")
    if files.model is not None:
        print(f"play it: glitch-live {shlex.quote(str(files.model))}")
