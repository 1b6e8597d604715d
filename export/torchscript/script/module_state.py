"""The state of a TorchScript module: everything that it keeps from call to call, read, copied and restored.

A script keeps its state in buffers, parameters, plain attributes, and lists and dictionaries of them. All of these are
entries here: tensors, which can become caches of a graph, and other values, which can't.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class StateEntry:
    """A place in a module: the attribute `name` of the submodule `path`, and the keys within a list or dictionary."""

    path: str
    name: str
    key: tuple[Any, ...] = ()

    def __str__(self) -> str:
        inside = "".join(f"[{part!r}]" for part in self.key)
        return f"{self.path}.{self.name}{inside}" if self.path else f"{self.name}{inside}"


@dataclass(frozen=True)
class StateSnapshot:
    """A copy of a module's state: its tensors with a copy of each, and its other values."""

    tensors: list[tuple[StateEntry, Tensor, Tensor]]
    numbers: dict[StateEntry, Any]

    def value(self, entry: StateEntry) -> Tensor | None:
        """Return the copied value of a tensor, or None if there was none."""
        return next((value for other, _, value in self.tensors if other == entry), None)


class ModuleState:
    """The state entries of a module.

    Places that share one tensor are one entry, and are written together.

    Parameters
    ----------
    module : torch.jit.ScriptModule
        From `torch.jit.load` or `torch.jit.script`.
    """

    def __init__(self, module: torch.jit.ScriptModule) -> None:
        self._modules = {path: part for path, part in module.named_modules() if hasattr(part, "_c")}
        self._also: dict[StateEntry, list[StateEntry]] = {}
        self.refresh()

    def refresh(self) -> None:
        """Find the entries again: a script may create tensors when it runs."""
        first: dict[tuple[Any, ...], StateEntry] = {}
        self._also = {}
        for entry, value in self._walk():
            if not isinstance(value, Tensor):
                continue
            known = (value.data_ptr(), value.storage_offset(), tuple(value.shape), tuple(value.stride()), value.dtype)
            owner = first.setdefault(known, entry) if value.numel() else entry
            self._also.setdefault(owner, [])
            if owner != entry:
                self._also[owner].append(entry)

    @property
    def tensors(self) -> list[StateEntry]:
        """Entries with tensors, each tensor once."""
        return list(self._also)

    def names(self) -> list[tuple[Tensor, str]]:
        """Return each tensor with the name of its place."""
        return [(self.get(entry), str(entry)) for entry in self.tensors]

    def values(self) -> dict[StateEntry, Any]:
        """Return the values of the other entries."""
        return {entry: value for entry, value in self._walk() if not isinstance(value, Tensor)}

    def get(self, entry: StateEntry) -> Any:
        """Read an entry."""
        value = getattr(self._modules[entry.path], entry.name)
        for part in entry.key:
            value = value[part]
        return value

    def put(self, entry: StateEntry, value: Any) -> None:
        """Write an entry, and all places that share its tensor."""
        for place in (entry, *self._also.get(entry, ())):
            module = self._modules[place.path]
            whole = value
            if place.key:
                whole = _with_value(getattr(module, place.name), place.key, value)
            module._c.setattr(place.name, whole)

    def snapshot(self) -> StateSnapshot:
        """Copy the whole state."""
        tensors = [(entry, self.get(entry)) for entry in self.tensors]
        return StateSnapshot([(entry, tensor, tensor.detach().clone()) for entry, tensor in tensors], self.values())

    def restore(self, kept: StateSnapshot) -> None:
        """Restore a snapshot: the same tensor objects, with their copied values."""
        with torch.no_grad():
            for entry, tensor, value in kept.tensors:
                if not equal_tensors(tensor, value):
                    tensor.copy_(value)
                if self.get(entry) is not tensor:
                    self.put(entry, tensor)
        now = self.values()
        for entry, number in kept.numbers.items():
            if entry not in now or now[entry] != number:
                self.put(entry, number)

    def _walk(self) -> Iterator[tuple[StateEntry, Any]]:
        seen: list[Any] = []
        for path, module in self._modules.items():
            if any(module._c == other for other in seen):
                continue
            seen.append(module._c)
            for name, value in attributes(module):
                if name == "training":
                    continue
                yield from _nested_entries(StateEntry(path, name), value)


def attributes(module: torch.nn.Module) -> list[tuple[str, Any]]:
    """List all attributes of a script module, without those of its submodules."""
    found = torch._C._jit_debug_module_iterators(module._c)  # type: ignore[attr-defined]
    return found["named_attributes"]


def equal_tensors(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors have the same shape, type and values; NaN equals NaN."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return a is b or bool(torch.equal(a, b)) or bool(torch.allclose(a, b, 0.0, 0.0, equal_nan=True))


def _nested_entries(entry: StateEntry, value: Any) -> Iterator[tuple[StateEntry, Any]]:
    """Iterate over a value, and over lists, tuples and dictionaries that contain tensors."""
    if isinstance(value, Tensor):
        yield entry, value
    elif isinstance(value, list | tuple) and any(isinstance(part, Tensor) for part in value):
        for k, part in enumerate(value):
            yield from _nested_entries(StateEntry(entry.path, entry.name, (*entry.key, k)), part)
    elif isinstance(value, dict) and any(isinstance(part, Tensor) for part in value.values()):
        for key, part in value.items():
            yield from _nested_entries(StateEntry(entry.path, entry.name, (*entry.key, key)), part)
    elif value is None or isinstance(value, bool | int | float | str | list | tuple | dict):
        yield entry, value


def _with_value(value: Any, key: tuple[Any, ...], new: Any) -> Any:
    if not key:
        return new
    inner = _with_value(value[key[0]], key[1:], new)
    if isinstance(value, dict):
        return {**value, key[0]: inner}
    parts = list(value)
    parts[key[0]] = inner
    return tuple(parts) if isinstance(value, tuple) else parts
