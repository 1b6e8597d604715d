"""`glitch-lab convert`: a TorchScript file to a model file."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from export.errors import GlitchError
from models.commands.shared.model_tables import print_model
from models.commands.shared.progress_bars import console


def convert_command(
    model: Annotated[Path, typer.Argument(metavar="MODEL.ts", help="A TorchScript file for nn~, such as RAVE.")],
    out: Annotated[
        Path | None, typer.Argument(metavar="[OUT.onnx]", help="The model file to write. Default: beside MODEL.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the model. Default: its file name.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the input for the proof.")] = 0,
    bend: Annotated[
        str | None,
        typer.Option(metavar="LAYERS", help="Layers to bend live: names with * and commas, or 'all'."),
    ] = None,
    weights: Annotated[str, typer.Option(help="Precision of the weights: fp32, fp16 or int8.")] = "fp32",
) -> None:
    """Convert a TorchScript model to a streaming model file, after proving that it sounds the same."""
    from realtime.library.conversion_process import WEIGHTS, ConversionOptions, convert

    if weights not in WEIGHTS:
        raise GlitchError(f"--weights is {', '.join(WEIGHTS)}, not '{weights}'.")
    if out is None:
        out = model.with_suffix(".onnx")
        if out.exists():
            raise GlitchError(f"{out} already exists; name the file to write: glitch-lab convert {model} OUT.onnx.")
    layers = tuple(part.strip() for part in bend.split(",") if part.strip()) if bend else ()
    options = ConversionOptions(name or out.stem, seed, layers, weights)
    began = time.monotonic()
    with console.status(f"converting {model.name}") as status:
        made = convert(model, out, options, notify=status.update, debug="--debug" in sys.argv[1:])
    print_model(made.card)
    for warning in made.warnings:
        print(f"warning: {warning}")
    if weights != "fp32":
        print(f"{made.card.provenance.notes}.")
    size = out.stat().st_size / 1e6
    print(
        f"{out}: {size:.1f} MB, made in {time.monotonic() - began:.0f} s; play it: glitch-live {shlex.quote(str(out))}"
    )
