"""Knobs of a deck, named on a command line: `pitch=60,loudness=-20,latent/1/bias=1`."""

from __future__ import annotations

from export.errors import GlitchError
from models.offline.routes import turn
from realtime.engine.engine import Engine


class KnobError(GlitchError):
    """There is no knob of that name, or no value for it."""


def named(text: str) -> dict[str, float]:
    """Read `name=value` pairs with commas.

    Raises
    ------
    KnobError
        It is something else.
    """
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        try:
            found[name.strip().removeprefix("/")] = float(value)
        except ValueError:
            equals = ""
        if not equals or not name.strip():
            raise KnobError(f"--controls takes pairs with commas, as pitch=60,loudness=-20, not '{part}'.")
    return found


def turn_named(engine: Engine, name: str, value: float) -> None:
    """Turn the knob that a name stands for.

    Raises
    ------
    KnobError
        The deck has none of that name, or it doesn't go so far.
    """
    address = f"/{name.strip().removeprefix('/')}"
    there = address in engine.table
    if not there or engine.table[address].where == "host" or engine.table[address].kind == "list":
        known = ", ".join(engine.table.controls)
        raise KnobError(
            f"The model '{engine.decoder.card.name}' has no control '{name}'; "
            f"{f'its own are: {known}' if known else 'it has none of its own'}. "
            "'glitch-live --model FILE --list-params' lists all knobs."
        )
    row = engine.table[address]
    if not row.minimum <= value <= row.maximum:
        raise KnobError(f"{address} goes from {row.minimum:g} to {row.maximum:g}, so it cannot be {value:g}.")
    turn(engine, address, value)
