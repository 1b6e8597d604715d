"""`glitch-lab evaluate`: reconstruction metrics of a model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.commands.shared.progress_bars import progress

if TYPE_CHECKING:
    from models.digits_vae.evaluate import DigitsReport
    from models.evaluation.evaluate import Report

PIPED_WIDTH = 140


def command(
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL.onnx", help="A model that encodes and decodes; or a VAE of digits, model.ckpt."),
    ],
    data: Annotated[
        Path | None, typer.Argument(help="A manifest or its folder; for digits, the folder of MNIST's files.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Largest number of sounds per split, evenly chosen.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write a page with sounds and pictures to a folder.")
    ] = None,
) -> None:
    """Measure how well a model reconstructs held-out and training sounds: encode, decode, invert, compare."""
    if _digits(model):
        _evaluate_digits(model, data, json, out)
        return
    from models.evaluation import evaluate

    if data is None:
        raise evaluate.EvaluateError(f"There are no sounds to evaluate {model} on; give their manifest, or its folder.")
    with progress("evaluating") as on_sound:
        report = evaluate.evaluate(model, data, limit=limit, on_sound=on_sound)
    page = None
    if out is not None:
        from models.evaluation.evaluation_page import exhibit

        with progress("showing") as on_part:
            page = exhibit(model, data, report, out, on_part=on_part)
    if json:
        print(report.to_json())
    else:
        _print(report)
        if page is not None:
            print(f"page with pictures and sounds: {page}")


def _digits(model: Path) -> bool:
    """Return whether this is the checkpoint of a VAE of digits."""
    if model.suffix.lower() != ".ckpt" or not model.is_file():
        return False
    from models.digits_vae.checkpoint import SPEC

    return SPEC.matches(model)


def _evaluate_digits(model: Path, mnist: Path | None, json: bool, out: Path | None) -> None:
    from models.digits_vae import evaluate

    trained, test, report = evaluate.evaluate(model, mnist)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "report.json").write_text(report.to_json() + "\n", encoding="utf-8")
        evaluate.draw(trained, test, report, out / "digits.png")
    if json:
        print(report.to_json())
    else:
        _print_digits(report)
        if out is not None:
            print(f"picture: {out / 'digits.png'}")


def _print_digits(report: DigitsReport) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="latents, the strongest first")
    for heading in ("latent", "usage", "KL, nats"):
        table.add_column(heading, justify="right")
    for one in report.latents:
        idle = "" if one.active else " (idle)"
        table.add_row(str(one.number + 1), f"{one.usage:.2f}{idle}", "–" if one.kl is None else f"{one.kl:.2f}")
    Console(width=None if sys.stdout.isatty() else PIPED_WIDTH).print(table)
    print(
        f"{report.digits} of {report.data} that it never saw: -ELBO {report.negative_elbo:.2f} nats, NLL "
        f"{report.nll:.2f} nats ({report.samples} samples); {report.active_units} of {len(report.latents)} latents are "
        "active."
    )


def _print(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table

    from models.evaluation import figures_as_text

    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    table = Table(title=f"{report.name}, after {report.inversion}")
    for heading in figures_as_text.HEAD:
        table.add_column(heading, justify="left" if heading in ("split", "label") else "right")
    for cells, whole in figures_as_text.lines(report):
        table.add_row(*cells, style="bold" if whole else None)
    console.print(table)
    table = Table(title="latents, the strongest first")
    for heading in figures_as_text.DIMENSION_HEAD:
        table.add_column(heading, justify="left" if heading == "name" else "right")
    for cells in figures_as_text.dimension_lines(report):
        table.add_row(*cells)
    console.print(table)
    for sentence in figures_as_text.sentences(report):
        print(sentence)
