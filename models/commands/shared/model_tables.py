"""Tables of a written model: its proof, its methods, its layers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from export.format.card import Card, Measured, is_bend_control

if TYPE_CHECKING:
    from onnx import ModelProto

    from export.proof.chunk_equality import Proof


def print_proof(out: Path, proof: Proof) -> None:
    """Print the size of a written file and the result of its proof."""
    worst = max(difference.value for difference in proof.worst)
    size = out.stat().st_size / 1e6
    print(f"{out}: {size:.1f} MB; chunked equals whole within {worst:.0e} ({proof.tolerance:.0e} is allowed).")


def print_layers(model: ModelProto, card: Card) -> None:
    """Print the layers of a model that can be bent."""
    from rich.table import Table

    from export.bending.bendable_layers import find_layers

    found = find_layers(model, card)
    table = Table(title=f"{card.name}: {len(found)} layers that can be bent")
    for heading in ("method", "layer", "kind"):
        table.add_column(heading)
    table.add_column("channels", justify="right")
    for layer in found:
        table.add_row(layer.method, layer.name, layer.kind, str(layer.channels))
    Console(width=100 if not sys.stdout.isatty() else None).print(table)


def print_model(card: Card) -> None:
    """Print the methods of a model with their measurements."""
    from rich.table import Table

    table = Table(title=f"{card.name}: {card.sample_rate} Hz, {card.latent.size} latents")
    table.add_column("method")
    for heading in ("hop", "channels", "delay", "difference from source", "difference of chunks", "times real time"):
        table.add_column(heading, justify="right")
    for name, method in card.methods.items():
        found = method.measured or Measured()
        figures = (_figure(found.parity, ".0e"), _figure(found.chunks, ".0e"), _figure(found.real_time, ".1f"))
        table.add_row(name, str(method.hop), str(method.channels), str(method.delay), *figures)
    Console(width=100 if not sys.stdout.isatty() else None).print(table)
    controls = {control.name: control for method in card.methods.values() for control in method.controls}
    layers = dict.fromkeys(bend.layer for method in card.methods.values() for bend in method.bends)
    controls = {name: one for name, one in controls.items() if not is_bend_control(name)}
    if layers:
        print(f"layers that can be bent: {', '.join(layers)}")
    if controls:
        ranges = (f"{name} ({one.minimum:g} to {one.maximum:g})" for name, one in controls.items())
        print(f"controls: {', '.join(ranges)}")


def _figure(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
