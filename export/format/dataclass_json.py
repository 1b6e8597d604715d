"""Frozen dataclasses to JSON values and back, with errors that name the offending entry.

Supports the types that cards and session files consist of: dataclasses, tuples of one type, dictionaries with string
keys, literals, optionals, numbers, strings, and float32 arrays (their shape, and base64 of little-endian bytes).
"""

from __future__ import annotations

import base64
import dataclasses
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy as np

from export.errors import GlitchError

KINDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
MAX_SHOWN = 60  # characters of a wrong value in an error


class JsonError(ValueError):
    """A JSON value that doesn't fit its dataclass."""


@dataclasses.dataclass(frozen=True)
class OneOf:
    """The strings that are allowed, for use in `Annotated[str, OneOf(("a", "b"))]`, also as a dictionary's key type."""

    choices: tuple[str, ...]


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


def from_plain(kind: Any, value: Any, where: str, *, on_unknown: Callable[[str], None] | None = None) -> Any:
    """Convert a JSON value to a type.

    Parameters
    ----------
    kind
        A dataclass, or any of the types that its fields may have.
    value
        A value from `json.loads`.
    where
        Its place in the document, for errors, such as `"card"`; empty for the document itself.
    on_unknown
        Called with the place of each entry that the dataclass doesn't have, which is then left out. Default: an
        unknown entry is an error.

    Returns
    -------
    object
        An instance of `kind`. Lists become tuples, and arrays are decoded to float32.

    Raises
    ------
    JsonError
        The value doesn't fit, in one sentence that names the entry.
    """
    return _Reader(on_unknown).read(kind, value, where)


class _Reader:
    """Reads values by their types."""

    def __init__(self, on_unknown: Callable[[str], None] | None) -> None:
        self._on_unknown = on_unknown

    def read(self, kind: Any, value: Any, where: str) -> Any:
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if kind is Any:
            return value
        if origin is types.UnionType:
            return None if value is None else self.read(arguments[0], value, where)
        if origin is Literal:
            return _choice(arguments, value, where)
        if origin is Annotated:
            return _choice(arguments[1].choices, value, where)
        if origin is tuple:
            _expect_kind(list, "a list", value, where)
            return tuple(self.read(arguments[0], item, f"{where}[{k}]") for k, item in enumerate(value))
        if origin is dict:
            return self._dictionary(arguments, value, where)
        if kind is np.ndarray:
            return _array(value, where)
        if dataclasses.is_dataclass(kind):
            return self._dataclass(kind, value, where)
        return _scalar(kind, value, where)

    def _dictionary(self, arguments: tuple[Any, ...], value: Any, where: str) -> dict[str, Any]:
        _expect_kind(dict, "an object", value, where)
        known = arguments[0].__metadata__[0].choices if typing.get_origin(arguments[0]) is Annotated else value
        self._report_unknown(value.keys() - set(known), where)
        return {key: self.read(arguments[1], item, _place(where, key)) for key, item in value.items() if key in known}

    def _dataclass(self, kind: Any, value: Any, where: str) -> Any:
        _expect_kind(dict, "an object", value, where or "the file")
        hints = typing.get_type_hints(kind, include_extras=True)
        fields = {f.name: f for f in dataclasses.fields(kind) if f.init}
        self._report_unknown(value.keys() - fields.keys(), where)
        for name, f in fields.items():
            optional = f.default is not dataclasses.MISSING or f.default_factory is not dataclasses.MISSING
            _expect(name in value or optional, f"{_place(where, name)} is missing")
        read = {k: self.read(hints[k], item, _place(where, k)) for k, item in value.items() if k in fields}
        try:
            return kind(**read)
        except GlitchError as error:
            raise JsonError(f"{where}: {error}" if where else str(error)) from None

    def _report_unknown(self, keys: set[str], where: str) -> None:
        if self._on_unknown is None:
            _expect(not keys, f"{where} has the unknown entry {', '.join(sorted(keys))}")
            return
        for key in sorted(keys):
            self._on_unknown(_place(where, key))


def _scalar(kind: Any, value: Any, where: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise JsonError(f"{where} must be a number, and is larger than any float.") from None
    if isinstance(value, bool) and kind is not bool:
        raise JsonError(f"{where} must be {KINDS[kind]}, not {_shown(value)}.")
    _expect_kind(kind, KINDS[kind], value, where)
    return value


def _array(value: Any, where: str) -> np.ndarray:
    try:
        data = base64.b64decode(value["float32"], validate=True)
        return np.frombuffer(data, "<f4").reshape(value["shape"]).astype(np.float32)
    except (TypeError, KeyError, ValueError, OverflowError):
        raise JsonError(f"{where} must be an array: a shape and base64 of float32.") from None


def _place(where: str, key: str) -> str:
    """Name an entry of an object."""
    name = key if key.isprintable() else repr(key)
    return f"{where}.{name}" if where else name


def _choice(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    if value not in choices:
        raise JsonError(f"{where} must be one of {', '.join(map(str, choices))}, not {_shown(value)}.")
    return value


def _expect_kind(kind: type, name: str, value: Any, where: str) -> None:
    if not isinstance(value, kind):
        raise JsonError(f"{where} must be {name}, not {_shown(value)}.")


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]} …"


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise JsonError(f"{otherwise}.")
