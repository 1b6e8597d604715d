"""Tables of a model's card and of its verification, for the terminal or a pipe."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from export.format.card import AUDIO_IN
from export.proof.file_verification import Verdict

PIPED_WIDTH = 120
MAX_LABELS = 6


def card(summary: dict[str, Any]) -> None:
    """Print the summary of a model from `export.format.model_facts.summary`."""
    out, latent, file = _console(), summary["latent"], summary["file"]
    rate, parameters = summary["sample_rate"], _amount(file["parameters"])
    out.print(
        Text(
            f"{summary['name']}: {rate} Hz, {latent['size']} latents, {parameters} parameters as {file['weights']}, "
            f"{file['bytes'] / 1e6:.1f} MB, opset {file['opset']}"
        ),
        style="bold",
    )
    out.print(_methods(summary["methods"], latent["size"]))
    if any(method["controls"] for method in summary["methods"].values()):
        out.print(_controls(summary["methods"]))
    if latent["size"]:
        out.print(_latents(latent))
    if latent["map"]:
        labels = [point["label"] for point in latent["map"]]
        shown = ", ".join(labels[:: -(-len(labels) // MAX_LABELS)])
        out.print(Text(f"map: {len(labels)} sounds, among them {shown}"))
    for key, value in summary["provenance"].items():
        if value:
            out.print(Text(f"{'licence of the sounds' if key == 'licence' else key}: {value}"))
    if not any(method["measured"] for method in summary["methods"].values()):
        out.print(Text("No measurements are stored; 'glitch-lab verify' makes them."))


def verdict(found: Verdict) -> None:
    """Print every promise of a file, and whether it holds."""
    table = Table(title=_title(found.name))
    for heading in ("method", "promise", "", "found"):
        table.add_column(heading)
    for check in found.checks:
        mark = Text("holds", "green") if check.holds else Text("broken", "bold red")
        table.add_row(Text(check.method), check.what, mark, Text(check.text))
    _console().print(table)


def _methods(methods: dict[str, Any], latents: int) -> Table:
    table = Table(title=_title("methods; hop and delay in samples"))
    table.add_column("method")
    table.add_column("gives", no_wrap=True)
    for heading in ("hop", "delay", "a step", "parameters", "caches", "real time", "chunks", "parity"):
        table.add_column(heading, justify="right")
    for name, method in methods.items():
        measured = method["measured"] or {}
        given = f"{latents} latents" if name == "decode" else _channels(method["channels"])
        if name not in AUDIO_IN and name != "decode":
            given = "lead"
        made = {"audio": _channels(method["channels"]), "latent": f"{latents} latents"}
        caches = method["caches"]
        table.add_row(
            name,
            f"{given} → {made.get(method['output'], method['output'])}",
            str(method["hop"]),
            str(method["delay"]),
            "1 frame" if method["frames_a_step"] == 1 else "any",
            _amount(method["parameters"]),
            f"{caches['count']}, {caches['bytes'] / 1e3:.1f} kB" if caches["count"] else "none",
            _figure(measured.get("real_time"), ".1f", " times"),
            _figure(measured.get("chunks"), ".0e"),
            _figure(measured.get("parity"), ".0e"),
        )
    return table


def _controls(methods: dict[str, Any]) -> Table:
    table = Table(title=_title("controls"))
    for heading in ("method", "control", "values", "default", "range", "unit", "what it does"):
        table.add_column(heading, justify="right" if heading in ("values", "default", "range") else "left")
    for name, method in methods.items():
        for control in method["controls"]:
            span = f"{control['minimum']:g} … {control['maximum']:g}"
            values = f"{control['size']}{' a frame' if control['per_frame'] else ''}"
            cells = (control["name"], values, f"{control['default']:g}", span, control["unit"], control["text"])
            table.add_row(name, *map(Text, cells))
    return table


def _latents(latent: dict[str, Any]) -> Table:
    table = Table(title=_title("latents, the strongest first"))
    for heading in ("played as", "name", "mean", "standard deviation"):
        table.add_column(heading, justify="left" if heading in ("played as", "name") else "right")
    for k, dimension in enumerate(latent["order"]):
        mean, std = latent["mean"][dimension], latent["std"][dimension]
        table.add_row(f"/latent/{k + 1}", Text(latent["names"][dimension]), f"{mean:.3g}", f"{std:.3g}")
    return table


def _title(text: str) -> Text:
    return Text(text, "italic")


def _channels(count: int) -> str:
    return {1: "mono", 2: "stereo"}.get(count, f"{count} channels")


def _amount(count: int) -> str:
    return f"{count / 1e6:.2f} M" if count >= 1e5 else f"{count:,}"


def _figure(value: float | None, form: str, unit: str = "") -> str:
    return "–" if value is None else f"{value:{form}}{unit}"


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)
