"""The OSCQuery namespace, made from the parameter table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from realtime.osc.osc_feedback import Readings
from realtime.osc.patterns import LEAF, tree
from realtime.params.stage_protocol import Stage
from realtime.params.table import Parameter, ParameterError

# Attributes that can be requested singly; others of the proposal are bad requests.
ATTRIBUTES = frozenset(
    ("FULL_PATH", "CONTENTS", "TYPE", "ACCESS", "VALUE", "RANGE", "UNIT", "CLIPMODE", "DESCRIPTION"),
)
READ, WRITE = 1, 2  # ACCESS
TAGS = {"float": "f", "int": "i", "bool": "T"}  # kinds with a value, and their OSC types
# Units of the proposal; others are passed on as they are.
UNITS = {"dB": "gain.db", "dBFS": "gain.db", "ms": "time.ms", "s": "time.second", "Hz": "time.hz", "bpm": "time.bpm"}


class Namespace:
    """The tree of addresses, of parameters and of values that can only be read."""

    def __init__(self, stage: Stage, readings: Readings) -> None:
        self._stage, self._readings = stage, readings
        self._addresses: Mapping[str, Parameter] | None = None
        self._read_only: tuple[str, ...] = ()
        self._tree: dict[str, Any] = {}

    def describe(self, path: str) -> dict[str, Any] | None:
        """Describe a node and everything below it.

        Parameters
        ----------
        path
            `/`, an address, or the beginning of addresses.

        Returns
        -------
        description : dict or None
            Attributes of the OSCQuery proposal; None if there is no such node.
        """
        addresses, readings = self._stage.addresses, self._readings()
        if addresses is not self._addresses or tuple(readings) != self._read_only:
            self._tree = tree([*addresses, *readings])
            self._addresses, self._read_only = addresses, tuple(readings)
        node = self._tree
        parts = [part for part in path.split("/") if part]
        for part in parts:
            if part not in node:
                return None
            node = node[part]
        return self._describe("/" + "/".join(parts), node, addresses, readings)

    def _describe(
        self,
        path: str,
        node: Mapping[str, Any],
        addresses: Mapping[str, Parameter],
        readings: Mapping[str, Sequence[float]],
    ) -> dict[str, Any]:
        if path in readings:
            attributes = _reading(readings[path])
        elif LEAF in node:
            attributes = self._parameter(path, addresses[path], sum(name.isdecimal() for name in node))
        else:
            attributes = {"ACCESS": 0}
        contents = {
            name: self._describe(f"{path.rstrip('/')}/{name}", child, addresses, readings)
            for name, child in node.items()
            if name != LEAF
        }
        return {"FULL_PATH": path, **attributes, **({"CONTENTS": contents} if contents else {})}

    def _parameter(self, address: str, row: Parameter, members: int) -> dict[str, Any]:
        """Describe a parameter; a list has as many values as it has numbered members."""
        attributes: dict[str, Any] = {"DESCRIPTION": row.text}
        if row.kind == "trigger":
            return attributes | {"TYPE": "I", "ACCESS": WRITE}
        count = members if row.kind == "list" else 1
        attributes |= {"TYPE": TAGS.get(row.kind, "f") * count, "ACCESS": WRITE}
        if row.kind in TAGS:
            try:
                value: Any = self._stage.get(address)
            except ParameterError:  # a model is being exchanged
                value = row.default
            if row.kind == "bool":
                value = bool(value)
                attributes["TYPE"] = "T" if value else "F"
            elif row.kind == "int":
                value = round(value)
            attributes |= {"ACCESS": READ | WRITE, "VALUE": [value]}
        if row.kind != "bool":
            low, high = (round(row.minimum), round(row.maximum)) if row.kind == "int" else (row.minimum, row.maximum)
            attributes |= {"RANGE": [{"MIN": low, "MAX": high}] * count, "CLIPMODE": ["both"] * count}
        if row.unit:
            attributes["UNIT"] = [UNITS.get(row.unit, row.unit)] * count
        return attributes


def _reading(values: Sequence[float]) -> dict[str, Any]:
    """Describe a value that can only be read; infinity, as of a meter in dB, becomes null in JSON."""
    numbers = [float(value) for value in values]
    return {
        "TYPE": "f" * len(numbers),
        "ACCESS": READ,
        "VALUE": [value if math.isfinite(value) else None for value in numbers],
    }
