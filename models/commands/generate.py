"""`glitch-lab generate`: sound of any length from a model, to a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from models.commands.shared.progress_bars import progress


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="A model file that decodes.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The sound file to write: .wav, .flac, .aiff, .caf.")],
    minutes: Annotated[float, typer.Option(help="Duration in minutes.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of everything random.")] = 0,
    walk: Annotated[str, typer.Option(help="Kind of walk: linear, spherical or brownian.")] = "linear",
    speed: Annotated[float, typer.Option(min=0, max=20, help="Steps of the walk a second.")] = 0.25,
    radius: Annotated[float, typer.Option(min=0, max=4, help="Extent of the walk in standard deviations.")] = 1.0,
    controls: Annotated[
        str, typer.Option(help="The model's controls and other knobs, as pitch=60,latent/1/bias=1.")
    ] = "",
    rate: Annotated[
        int | None, typer.Option(min=8000, max=384_000, help="Sample rate, Hz; by default the model's.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Render a random walk of any duration: the same sound as on stage with the same seed and controls."""
    from models.play_to_file.generate import GenerateSettings, generate
    from models.play_to_file.named_parameters import named

    settings = GenerateSettings(
        minutes=minutes,
        walk=walk,
        speed=speed,
        radius=radius,
        seed=seed,
        controls=named(controls),
        rate=rate,
        force=force,
    )
    began = time.monotonic()
    with progress("generating") as on_share:
        made = generate(model, out, settings, on_share=lambda share: on_share(round(1000 * share), 1000))
    times = made.seconds / (time.monotonic() - began)
    print(f"{out}: {made.seconds:.1f} s of sound at {made.rate} Hz, {times:.1f} times as fast as it plays.")
    if made.nonfinite:
        print(f"The model gave values that are not finite in {made.nonfinite} frames; they are faded to silence.")
