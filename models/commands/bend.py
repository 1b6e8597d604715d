"""`glitch-lab bend`: live controls for layers of a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from export.format.io import load
from models.commands.shared.layer_options import BendOption, ListLayers, layer_patterns, required_out
from models.commands.shared.model_tables import print_layers, print_proof


def bend_command(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="Any model file.")],
    out: Annotated[Path | None, typer.Argument(metavar="OUT.onnx", help="The model file to write.")] = None,
    layers: BendOption = "auto",
    list_layers: ListLayers = False,
) -> None:
    """Add live controls to layers of a model, replacing existing ones: a scale and a shift for each channel."""
    from export.bending.bend import bend_file

    if list_layers:
        print_layers(*load(model))
        return
    proof = bend_file(model, required_out(out), layer_patterns(layers))
    print_proof(required_out(out), proof)
