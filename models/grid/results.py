"""Results of a grid search: a table for the terminal, a CSV file, and a page with plots."""

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
from models.grid.study import PointStatus
from models.report import svg_charts
from models.report.single_file_page import Cell, page, paragraph, section, table
from models.report.svg_charts import Curve, Point

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
"""Figures of a point that is done, and their headings."""


def ranked(statuses: Sequence[PointStatus]) -> list[PointStatus]:
    """Sort points by loss, the best first; those that aren't done come last."""
    return sorted(statuses, key=lambda status: status.figures.get("value", float("inf")))


def terminal_table(statuses: Sequence[PointStatus], title: str) -> Table:
    """Make a table of all points, sorted by loss."""
    made = Table(title=title)
    for heading in (*AXES, *COLUMNS.values()):
        made.add_column(heading.replace("_", " "), justify="right")
    for k, status in enumerate(ranked(statuses)):
        values = [f"{value:g}" for value in asdict(status.point).values()]
        figures = [_figure(status.figures.get(name)) for name in COLUMNS]
        if status.state != "done":
            figures[0] = status.state
        made.add_row(*values, *figures, style="bold" if k == 0 and status.state == "done" else None)
    return made


def write(statuses: Sequence[PointStatus], out: Path, title: str) -> None:
    """Write `grid.csv` and `grid.html` into a folder."""
    rows: list[list[Cell]] = [
        [
            *asdict(status.point).values(),
            status.state if not status.reason else f"{status.state}: {status.reason}",
            *(status.figures.get(name) for name in COLUMNS),
        ]
        for status in ranked(statuses)
    ]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*AXES, "state", *COLUMNS])
    writer.writerows([["" if cell is None else cell for cell in row] for row in rows])
    write_whole(out / TABLE_FILE, text.getvalue().encode())
    done = [status for status in statuses if status.state == "done"]
    said = "Each point is a training; the line connects the means. Compare the KL divergence as well: a small weight "
    said += "for it always reconstructs better, but leaves gaps in the latent space."
    parts = [
        section("Points", table(rows, [*AXES, "state", *COLUMNS.values()])),
        section("Effect of each setting", paragraph(said), *(_along(done, axis) for axis in AXES)),
        section("Reconstruction against divergence", _trade(done)),
    ]
    write_whole(out / PAGE_FILE, page(title, parts).encode())


def _along(done: Sequence[PointStatus], axis: str) -> str:
    """Plot the loss of all points against the values of an axis, evenly spaced, with the means as a curve."""
    values = sorted({getattr(status.point, axis) for status in done})
    if len(values) < 2:
        return ""
    curves = []
    rest: dict[str, list[PointStatus]] = {}
    for status in done:
        others = {name: value for name, value in asdict(status.point).items() if name != axis}
        rest.setdefault(", ".join(f"{name} {value:g}" for name, value in others.items()), []).append(status)
    mean = [fmean(s.figures["value"] for s in done if getattr(s.point, axis) == value) for value in values]
    curves.append(Curve("mean", list(range(1, len(values) + 1)), mean))
    for name, group in rest.items():
        known = sorted((values.index(getattr(s.point, axis)) + 1, s.figures["value"]) for s in group)
        curves.append(Curve(name, [x for x, _ in known], [y for _, y in known]))
    title = f"{axis.replace('_', ' ')}: {', '.join(f'{value:g}' for value in values)}"
    return svg_charts.curves(curves, title=title, x_label="value, from the first to the last", y_label="held-out loss")


def _trade(done: Sequence[PointStatus]) -> str:
    """Plot the error against the KL divergence."""
    points = [
        Point(s.figures["kl"], s.figures["mel_db"], f"beta {s.point.beta:g}", s.point.name)
        for s in done
        if "kl" in s.figures and "mel_db" in s.figures
    ]
    return svg_charts.points(points, title="error and divergence", x_label="KL, nats a frame", y_label="Δ log-mel, dB")


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
