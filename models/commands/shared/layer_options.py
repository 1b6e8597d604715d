"""Options of commands that bend layers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from export.errors import ContractError

BendOption = Annotated[
    str | None,
    typer.Option(metavar="LAYERS", help="Live controls for layers: names and patterns with commas, auto or all."),
]
ListLayers = Annotated[bool, typer.Option("--list-layers", help="List the layers that can be bent, and exit.")]


def required_out(out: Path | None) -> Path:
    """Return the file to write; raises `ContractError` if it is missing."""
    if out is None:
        raise ContractError("OUT.onnx, the file to write, is missing; give it, or use --list-layers.")
    return out


def layer_patterns(layers: str | None) -> list[str] | None:
    """Read names and patterns of layers with commas between them."""
    return None if layers is None else [part.strip() for part in layers.split(",") if part.strip()]
