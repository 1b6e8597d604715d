"""Controller layout files for Open Stage Control and TouchOSC, made from the parameter table.

A layout follows the stage by `/subscribe`, sent when it opens and renewed long before the subscription lapses.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from export.errors import GlitchError
from realtime.layouts.open_stage_control import open_stage_control
from realtime.layouts.touchosc import touchosc
from realtime.params.table import Table

__all__ = ["KINDS", "LayoutError", "open_stage_control", "touchosc", "write_layout"]


class LayoutError(GlitchError):
    """There is no such kind of layout, or the file cannot be written."""


def _open_stage_control(table: Table, host: str, port: int) -> bytes:
    return (json.dumps(open_stage_control(table, host, port), indent=1, ensure_ascii=False) + "\n").encode()


def _touchosc(table: Table, _host: str, _port: int) -> bytes:
    return touchosc(table)  # host and port are set on the device


KINDS: dict[str, Callable[[Table, str, int], bytes]] = {
    "open-stage-control": _open_stage_control,
    "touchosc": _touchosc,
}


def write_layout(kind: str, table: Table, path: Path, host: str = "127.0.0.1", port: int = 9000) -> None:
    """Write a controller layout to a file.

    Parameters
    ----------
    kind
        `open-stage-control` or `touchosc`.
    table
        Parameters of the model to play.
    path
        The file; overwritten if it exists.
    host, port
        Address of the stage, for kinds that store it.

    Raises
    ------
    LayoutError
        There is no such kind of layout, or the file cannot be written.
    """
    if kind not in KINDS:
        raise LayoutError(f"There is no layout for '{kind}'; there are {' and '.join(KINDS)}.")
    try:
        path.write_bytes(KINDS[kind](table, host, port))
    except OSError as error:
        raise LayoutError(f"The layout cannot be written to {path}: {error.strerror}.") from None
