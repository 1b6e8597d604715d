"""`glitch-lab explore`: paths through a model's latent space, as a sound file and a picture."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from export.errors import GlitchError
from models.commands.shared.progress_bars import progress


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="A model file.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.wav", help="The sound file to write: .wav, .flac, .aiff, .caf.")],
    way: Annotated[
        str,
        typer.Option(help="linear, spherical, brownian: a walk; sweep: each latent; grid: the map; through: a sound."),
    ] = "linear",
    sound: Annotated[
        list[Path] | None,
        typer.Option(help="The sound for 'through'; given twice or more, the sounds to interpolate between."),
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Duration in seconds. Default: 20 or as needed.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Duration in minutes.")] = None,
    speed: Annotated[float, typer.Option(min=0, max=20, help="Steps of a walk a second.")] = 0.25,
    radius: Annotated[float, typer.Option(min=0, max=4, help="Extent in standard deviations.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of everything random.")] = 0,
    controls: Annotated[
        str, typer.Option(help="The model's controls and other knobs, as pitch=60,loudness=-20,latent/1/bias=1.")
    ] = "",
    rate: Annotated[
        int | None, typer.Option(min=8000, max=384_000, help="Sample rate, Hz; by default the model's.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="OUT.png", help="The picture to write. Default: beside the sound.")
    ] = None,
    no_picture: Annotated[bool, typer.Option("--no-picture", help="Write no picture.")] = False,
) -> None:
    """Render a path through a model's latent space, as the stage plays it, to a sound file and a picture."""
    if seconds is not None and minutes is not None:
        raise GlitchError("Both --seconds and --minutes set the duration; give one of them.")
    if picture is not None and no_picture:
        raise GlitchError("--picture and --no-picture contradict each other; give one of them.")
    from models.play_to_file.explore import ExploreSettings, explore
    from models.play_to_file.named_parameters import named

    plot = None if no_picture else picture or out.with_suffix(".png")
    settings = ExploreSettings(
        way=way,  # type: ignore[arg-type]  # checked by explore
        sounds=tuple(sound or ()),
        seconds=60.0 * minutes if minutes is not None else seconds,
        speed=speed,
        radius=radius,
        seed=seed,
        controls=named(controls),
        rate=rate,
    )
    began = time.monotonic()
    with progress("exploring") as on_share:
        made = explore(model, out, settings, picture=plot, on_share=lambda share: on_share(round(1000 * share), 1000))
    speedup = made.seconds / (time.monotonic() - began)
    shown = "" if plot is None else f", {plot}"
    print(f"{out}{shown}: {made.seconds:.1f} s of sound at {made.rate} Hz, {speedup:.1f} times as fast as it plays.")
    if made.nonfinite:
        print(f"The model gave values that are not finite in {made.nonfinite} frames; they are faded to silence.")
