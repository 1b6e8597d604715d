"""Everything a TorchScript module keeps between two calls, found, copied and put back.

A script hides its memory in buffers, parameters, plain attributes, and lists and dictionaries of them. All of these are
slots here: those that hold tensors, which can become caches of a graph, and those that hold numbers, which cannot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class StateEntry:
    """A place in a module: the attribute `name` of the submodule `path`, and where in it if it holds several."""

    path: str
    name: str
    key: tuple[Any, ...] = ()

    def __str__(self) -> str:
        inside = "".join(f"[{part!r}]" for part in self.key)
        return f"{self.path}.{self.name}{inside}" if self.path else f"{self.name}{inside}"


@dataclass(frozen=True)
class StateSnapshot:
    """What a module kept at one moment: its tensors with a copy of each, and its numbers."""

    tensors: list[tuple[StateEntry, Tensor, Tensor]]
    numbers: dict[StateEntry, Any]

    def value(self, slot: StateEntry) -> Tensor | None:
        """Give what a tensor held, if it was there."""
        return next((value for other, _, value in self.tensors if other == slot), None)


class ModuleState:
    """The slots of a module.

    Places that share one tensor are one slot: what is put into the first is put into all.

    Parameters
    ----------
    module
        A script module as `torch.jit.load` or `torch.jit.script` gives it.
    """

    def __init__(self, module: torch.jit.ScriptModule) -> None:
        self._modules = {path: part for path, part in module.named_modules() if hasattr(part, "_c")}
        self._also: dict[StateEntry, list[StateEntry]] = {}
        self.refresh()

    def refresh(self) -> None:
        """Look again: a script may make tensors when it first runs."""
        first: dict[tuple[Any, ...], StateEntry] = {}
        self._also = {}
        for slot, value in self._walk():
            if not isinstance(value, Tensor):
                continue
            known = (value.data_ptr(), value.storage_offset(), tuple(value.shape), tuple(value.stride()), value.dtype)
            owner = first.setdefault(known, slot) if value.numel() else slot
            self._also.setdefault(owner, [])
            if owner != slot:
                self._also[owner].append(slot)

    @property
    def tensors(self) -> list[StateEntry]:
        """Slots that hold tensors, each tensor once."""
        return list(self._also)

    def names(self) -> list[tuple[Tensor, str]]:
        """Give each tensor with the place it lies in."""
        return [(self.get(slot), str(slot)) for slot in self.tensors]

    def values(self) -> dict[StateEntry, Any]:
        """Give what the slots without tensors hold."""
        return {slot: value for slot, value in self._walk() if not isinstance(value, Tensor)}

    def get(self, slot: StateEntry) -> Any:
        """Read a slot."""
        value = getattr(self._modules[slot.path], slot.name)
        for part in slot.key:
            value = value[part]
        return value

    def put(self, slot: StateEntry, value: Any) -> None:
        """Write a slot, and all others that share its tensor."""
        for place in (slot, *self._also.get(slot, ())):
            module = self._modules[place.path]
            whole = value
            if place.key:
                whole = _with_value(getattr(module, place.name), place.key, value)
            module._c.setattr(place.name, whole)

    def snapshot(self) -> StateSnapshot:
        """Copy all that is kept."""
        tensors = [(slot, self.get(slot)) for slot in self.tensors]
        return StateSnapshot([(slot, tensor, tensor.detach().clone()) for slot, tensor in tensors], self.values())

    def restore(self, kept: StateSnapshot) -> None:
        """Bring everything back to a snapshot: the very tensors, with what was in them."""
        with torch.no_grad():
            for slot, tensor, value in kept.tensors:
                if not equal_tensors(tensor, value):
                    tensor.copy_(value)
                if self.get(slot) is not tensor:
                    self.put(slot, tensor)
        now = self.values()
        for slot, number in kept.numbers.items():
            if slot not in now or now[slot] != number:
                self.put(slot, number)

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
    """List all attributes of a script module, its submodules' not included."""
    found = torch._C._jit_debug_module_iterators(module._c)  # type: ignore[attr-defined]
    return found["named_attributes"]


def equal_tensors(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are equal in every respect, NaN with NaN."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return a is b or bool(torch.equal(a, b)) or bool(torch.allclose(a, b, 0.0, 0.0, equal_nan=True))


def _nested_entries(slot: StateEntry, value: Any) -> Iterator[tuple[StateEntry, Any]]:
    """Go through lists, tuples and dictionaries as far as they hold tensors."""
    if isinstance(value, Tensor):
        yield slot, value
    elif isinstance(value, list | tuple) and any(isinstance(part, Tensor) for part in value):
        for k, part in enumerate(value):
            yield from _nested_entries(StateEntry(slot.path, slot.name, (*slot.key, k)), part)
    elif isinstance(value, dict) and any(isinstance(part, Tensor) for part in value.values()):
        for key, part in value.items():
            yield from _nested_entries(StateEntry(slot.path, slot.name, (*slot.key, key)), part)
    elif value is None or isinstance(value, bool | int | float | str | list | tuple | dict):
        yield slot, value


def _with_value(value: Any, key: tuple[Any, ...], new: Any) -> Any:
    if not key:
        return new
    inner = _with_value(value[key[0]], key[1:], new)
    if isinstance(value, dict):
        return {**value, key[0]: inner}
    parts = list(value)
    parts[key[0]] = inner
    return tuple(parts) if isinstance(value, tuple) else parts
