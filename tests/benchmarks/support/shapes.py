"""The shape of a benchmark's result, to check: nested dictionaries and lists with a `Range` for each figure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Range:
    """A finite number within bounds.

    They are so wide that noise doesn't reach them, and so narrow that a benchmark that measures nothing does.
    """

    low: float
    high: float
    whole: bool = False


@dataclass(frozen=True)
class Optional:
    """A shape, or None."""

    shape: Any


@dataclass(frozen=True)
class ListOf:
    """A list with one shape, of at least so many items."""

    shape: Any
    least: int = 1


def count(low: float = 0, high: float = 1e9) -> Range:
    """Return the range of a count."""
    return Range(low, high, whole=True)


def mismatches(value: Any, shape: Any, at: str = "result") -> list[str]:
    """Return what is wrong with a value: a line for each place that hasn't its shape."""
    match shape:
        case Range():
            return _number(value, shape, at)
        case Optional():
            return [] if value is None else mismatches(value, shape.shape, at)
        case ListOf():
            if not isinstance(value, list) or len(value) < shape.least:
                return [f"{at}: {value!r} is no list of {shape.least} or more"]
            return [line for k, item in enumerate(value) for line in mismatches(item, shape.shape, f"{at}[{k}]")]
        case dict():
            if not isinstance(value, dict):
                return [f"{at}: {value!r} is no dictionary"]
            lines = [f"{at}: {key} is missing" for key in shape.keys() - value.keys()]
            lines += [f"{at}: {key} is not expected" for key in value.keys() - shape.keys()]
            return lines + [
                line
                for key in shape.keys() & value.keys()
                for line in mismatches(value[key], shape[key], f"{at}.{key}")
            ]
        case type():
            return [] if isinstance(value, shape) else [f"{at}: {value!r} is no {shape.__name__}"]
        case _:
            return [] if value == shape else [f"{at}: {value!r} is not {shape!r}"]


def _number(value: Any, shape: Range, at: str) -> list[str]:
    kind = int if shape.whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not math.isfinite(value):
        return [f"{at}: {value!r} is no finite number"]
    if not shape.low <= value <= shape.high:
        return [f"{at}: {value!r} is not within {shape.low:g} and {shape.high:g}"]
    return []
