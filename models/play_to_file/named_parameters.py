"""Parameters of a deck named on a command line: `pitch=60,loudness=-20,latent/1/bias=1`."""

from __future__ import annotations

from export.errors import GlitchError
from models.play_to_file.latent_routes import set_knob
from realtime.engine.engine import Engine


class KnobError(GlitchError):
    """There is no such parameter, or its value is missing or out of range."""


def named(text: str) -> dict[str, float]:
    """Parse `name=value` pairs separated by commas.

    Returns
    -------
    values : dict of float
        Values by name, without a leading slash.

    Raises
    ------
    KnobError
        A pair is malformed.
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


def set_named(engine: Engine, name: str, value: float) -> None:
    """Set a parameter of an engine by name.

    Raises
    ------
    KnobError
        The deck has no such parameter, or the value is out of range.
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
    set_knob(engine, address, value)
