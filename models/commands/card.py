"""`glitch-lab card`: the card of a model file."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from export.format.io import load


def card_command(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="A model file.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Print the card of a model: methods, controls, latents, provenance and measurements."""
    from export.format.model_facts import summary

    described = summary(*load(model), model.stat().st_size)
    if json:
        print(dumps(described, ensure_ascii=False))
    else:
        from models.commands.shared import card_tables

        card_tables.card(described)
