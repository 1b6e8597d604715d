"""What a grid search found: a table for the terminal, a file for a spreadsheet, and a page with plots."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean

from rich.table import Table

from models.files.atomic import write_whole
from models.grid.points import AXES
from models.grid.study import Standing
from models.report import charts
from models.report.charts import Curve, Point
from models.report.page import Cell, page, paragraph, section, table

TABLE_FILE = "grid.csv"
PAGE_FILE = "grid.html"

COLUMNS = {
    "value": "held-out loss",
    "mel_db": "Δ log-mel dB",
    "spectral_convergence_db": "spectral conv. dB",
    "kl": "KL nats",
    "parameters": "parameters",
    "steps": "steps",
    "seconds": "seconds",
}
"""Figures of a point that is done, and what they are called."""


def ranked(standings: Sequence[Standing]) -> list[Standing]:
    """Put the best first, and what isn't done last."""
    return sorted(standings, key=lambda standing: standing.figures.get("value", float("inf")))


def terminal_table(standings: Sequence[Standing], title: str) -> Table:
    """Make a table of all points, the best first."""
    made = Table(title=title)
    for heading in (*AXES, *COLUMNS.values()):
        made.add_column(heading.replace("_", " "), justify="right")
    for k, standing in enumerate(ranked(standings)):
        values = [f"{value:g}" for value in asdict(standing.point).values()]
        figures = [_figure(standing.figures.get(name)) for name in COLUMNS]
        if standing.state != "done":
            figures[0] = standing.state
        made.add_row(*values, *figures, style="bold" if k == 0 and standing.state == "done" else None)
    return made


def write(standings: Sequence[Standing], out: Path, title: str) -> None:
    """Write `grid.csv` and `grid.html` into a folder."""
    rows: list[list[Cell]] = [
        [
            *asdict(standing.point).values(),
            standing.state if not standing.reason else f"{standing.state}: {standing.reason}",
            *(standing.figures.get(name) for name in COLUMNS),
        ]
        for standing in ranked(standings)
    ]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*AXES, "state", *COLUMNS])
    writer.writerows([["" if cell is None else cell for cell in row] for row in rows])
    write_whole(out / TABLE_FILE, text.getvalue().encode())
    done = [standing for standing in standings if standing.state == "done"]
    said = "Each point is a training; the line goes through the means. Beside the loss, look at the KL divergence: a "
    said += "small weight for it always rebuilds better, and leaves a latent space with holes."
    parts = [
        section("Points", table(rows, [*AXES, "state", *COLUMNS.values()])),
        section("What each setting does", paragraph(said), *(_along(done, axis) for axis in AXES)),
        section("Rebuilt well, or easily found", _trade(done)),
    ]
    write_whole(out / PAGE_FILE, page(title, parts).encode())


def _along(done: Sequence[Standing], axis: str) -> str:
    """Plot the loss of all points over the values of an axis, evenly spaced, with the means as a curve."""
    values = sorted({getattr(standing.point, axis) for standing in done})
    if len(values) < 2:
        return ""
    curves = []
    rest: dict[str, list[Standing]] = {}
    for standing in done:
        others = {name: value for name, value in asdict(standing.point).items() if name != axis}
        rest.setdefault(", ".join(f"{name} {value:g}" for name, value in others.items()), []).append(standing)
    mean = [fmean(s.figures["value"] for s in done if getattr(s.point, axis) == value) for value in values]
    curves.append(Curve("mean", list(range(1, len(values) + 1)), mean))
    for name, group in rest.items():
        known = sorted((values.index(getattr(s.point, axis)) + 1, s.figures["value"]) for s in group)
        curves.append(Curve(name, [x for x, _ in known], [y for _, y in known]))
    title = f"{axis.replace('_', ' ')}: {', '.join(f'{value:g}' for value in values)}"
    return charts.curves(curves, title=title, x_label="value, from the first to the last", y_label="held-out loss")


def _trade(done: Sequence[Standing]) -> str:
    """Plot the error against the KL divergence."""
    points = [
        Point(s.figures["kl"], s.figures["mel_db"], f"beta {s.point.beta:g}", s.point.name)
        for s in done
        if "kl" in s.figures and "mel_db" in s.figures
    ]
    return charts.points(points, title="error and divergence", x_label="KL, nats a frame", y_label="Δ log-mel, dB")


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
