"""`glitch-lab export`: a checkpoint to a model file."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from export.format.io import load
from models.commands.shared.layer_options import BendOption, ListLayers, layer_patterns, required_out
from models.commands.shared.model_tables import print_layers, print_proof


def export_command(
    checkpoint: Annotated[Path, typer.Argument(help="model.ckpt of a training, or its folder.")],
    out: Annotated[Path | None, typer.Argument(metavar="OUT.onnx", help="The model file to write.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the model. Default: its file name.")] = None,
    bend: BendOption = None,
    list_layers: ListLayers = False,
    weights: Annotated[str, typer.Option(help="fp32; fp16 halves the file, int8 quarters it, with loss.")] = "fp32",
    voices: Annotated[int, typer.Option(min=1, help="Number of voices of a playable model.")] = 1,
) -> None:
    """Export a checkpoint as a streaming model file, after proving that chunked equals whole."""
    from export.weight_storage import known

    kind = known(weights)
    from models.checkpoint_export import export

    if list_layers:
        with TemporaryDirectory() as folder:
            export(checkpoint, Path(folder) / "listed.onnx")
            print_layers(*load(Path(folder) / "listed.onnx"))
        return
    proof = export(checkpoint, required_out(out), name=name, bend=layer_patterns(bend), weights=kind, voices=voices)
    print_proof(required_out(out), proof)
    if weights != "fp32":
        print(f"{load(required_out(out))[1].provenance.notes}.")
