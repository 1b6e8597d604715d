"""`glitch-lab evaluate`: what a model makes of sounds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.commands.terminal import progress

if TYPE_CHECKING:
    from models.evaluate import Report

PIPED_WIDTH = 140


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="A model that encodes and decodes.")],
    data: Annotated[Path, typer.Argument(help="A manifest, or the folder that holds it.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many sounds a split, evenly chosen.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write a page with sounds and pictures to a folder.")
    ] = None,
) -> None:
    """Measure what a model file makes of held-out and trained sounds: encode, decode, invert, compare."""
    from models import evaluate

    with progress("evaluating") as on_sound:
        report = evaluate.evaluate(model, data, limit=limit, on_sound=on_sound)
    page = None
    if out is not None:
        from models.exhibit import exhibit

        with progress("showing") as on_part:
            page = exhibit(model, data, report, out, on_part=on_part)
    if json:
        print(report.to_json())
    else:
        _print(report)
        if page is not None:
            print(f"To look at and to listen to: {page}")


def _print(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table

    from models import figures

    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    table = Table(title=f"{report.name}, after {report.inversion}")
    for heading in figures.HEAD:
        table.add_column(heading, justify="left" if heading in ("split", "label") else "right")
    for cells, whole in figures.lines(report):
        table.add_row(*cells, style="bold" if whole else None)
    console.print(table)
    table = Table(title="latents, the strongest first")
    for heading in figures.DIMENSION_HEAD:
        table.add_column(heading, justify="left" if heading == "name" else "right")
    for cells in figures.dimension_lines(report):
        table.add_row(*cells)
    console.print(table)
    for sentence in figures.sentences(report):
        print(sentence)
