"""Frozen dataclasses to JSON values and back, with errors that name the offending entry.

Supports the types that cards consist of: dataclasses, tuples of one type, dictionaries with string keys, literals,
optionals, numbers, strings, and float32 arrays (their shape, and base64 of little-endian bytes).
"""

from __future__ import annotations

import base64
import dataclasses
import types
import typing
from typing import Any, Literal

import numpy as np


class JsonError(ValueError):
    """A JSON value that doesn't fit its dataclass."""


def to_plain(value: Any) -> Any:
    """Convert dataclasses, arrays and tuples to JSON values."""
    if isinstance(value, np.ndarray):
        data = base64.b64encode(np.ascontiguousarray(value, "<f4").tobytes()).decode("ascii")
        return {"shape": list(value.shape), "float32": data}
    if dataclasses.is_dataclass(value):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    return value


def from_plain(kind: Any, value: Any, where: str) -> Any:
    """Convert a JSON value to a type.

    Parameters
    ----------
    kind
        The type, such as a dataclass or `tuple[float, ...]`.
    value
        A value from `json.loads`.
    where
        Its place in the document, for errors.

    Raises
    ------
    JsonError
        The value doesn't fit the type.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return None if value is None else from_plain(arguments[0], value, where)
    if origin is Literal:
        _expect(value in arguments, f"{where} must be one of {', '.join(map(str, arguments))}, not {value!r}")
        return value
    if origin is tuple:
        _expect(isinstance(value, list), f"{where} must be a list")
        return tuple(from_plain(arguments[0], item, f"{where}[{k}]") for k, item in enumerate(value))
    if origin is dict:
        _expect(isinstance(value, dict), f"{where} must be an object")
        return {key: from_plain(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if kind is np.ndarray:
        return _array(value, where)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, value, where)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise JsonError(f"{where} is larger than any float.") from None
    fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    _expect(fits, f"{where} must be a {kind.__name__}, not {value!r}")
    return value


def _dataclass(kind: Any, value: Any, where: str) -> Any:
    _expect(isinstance(value, dict), f"{where} must be an object")
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    unknown = sorted(value.keys() - fields.keys())
    _expect(not unknown, f"{where} has the unknown entry {', '.join(unknown)}")
    for name, f in fields.items():
        optional = f.default is not dataclasses.MISSING or f.default_factory is not dataclasses.MISSING
        _expect(name in value or optional, f"{where}.{name} is missing")
    return kind(**{name: from_plain(hints[name], item, f"{where}.{name}") for name, item in value.items()})


def _array(value: Any, where: str) -> np.ndarray:
    try:
        data = base64.b64decode(value["float32"], validate=True)
        return np.frombuffer(data, "<f4").reshape(value["shape"]).astype(np.float32)
    except (TypeError, KeyError, ValueError, OverflowError):
        raise JsonError(f"{where} must be an array: a shape and base64 of float32.") from None


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise JsonError(f"{otherwise}.")
