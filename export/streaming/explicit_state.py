"""A torch module with hidden state as a function with its caches as inputs and outputs.

Caches are found by behaviour and not by name: the module is run, and the buffers that it writes and reads again are its
caches. Other state (a plain attribute, a weight) can't be carried in a model file, and is refused by name.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from export.errors import ContractError

RUNS = 3
"""Runs in which changes are looked for; a single run would miss a cache that is filled later."""


class ExplicitState(nn.Module):
    """A module whose caches are arguments: `forward(input, *controls, *states)` returns `(output, *next_states)`.

    Attributes
    ----------
    names : tuple of str
        Names of the buffers that are states, in their order.
    written : tuple of str
        Names of buffers that are written and never read; they are not carried over.
    """

    def __init__(self, module: nn.Module, names: Sequence[str], written: Sequence[str] = ()) -> None:
        super().__init__()
        self.module, self.names, self.written = module, tuple(names), tuple(written)
        self.kinds = [module.get_buffer(name).dtype for name in names]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Run a step. States are float32 as arguments, and have the module's own types inside."""
        count = len(tensors) - len(self.names)
        kinds = zip(self.names, tensors[count:], self.kinds, strict=True)
        buffers = {name: state.clone().to(kind) for name, state, kind in kinds}
        buffers |= {name: self.module.get_buffer(name).clone() for name in self.written}
        output = _call(self.module, buffers, tensors[:count])
        return (output, *(buffers[name].to(torch.float32) for name in self.names))


def with_explicit_state(module: nn.Module, example: Tensor | Sequence[Tensor]) -> tuple[ExplicitState, list[Tensor]]:
    """Make a function with explicit caches from a causal module.

    Parameters
    ----------
    module : nn.Module
        Takes the input and its controls, and returns one tensor. It is set to `eval()`; its buffers keep their values,
        and its weights are shared.
    example : Tensor or sequence of Tensor
        The input, or the input and the controls.

    Returns
    -------
    function : ExplicitState
        `forward(input, *controls, *states)` returns `(output, *next_states)`, as in `export.torch_export`.
    states : list of Tensor, float32
        The current values of the caches.

    Raises
    ------
    ContractError
        The module has changing state outside buffers, a cache changes its shape, or the output is not reproducible.
    """
    inputs = (example,) if isinstance(example, Tensor) else tuple(example)
    module.eval()
    changed = _find_changed(module, inputs)
    caches = [name for name in changed if _is_read(module, name, inputs)]
    function = ExplicitState(module, caches, [name for name in changed if name not in caches])
    buffers = dict(module.named_buffers())
    states = [buffers[name].detach().clone().to(torch.float32) for name in caches]
    with torch.no_grad():
        first, second = (function(*inputs, *states) for _ in range(2))
    if not all(torch.equal(a, b) for a, b in zip(first, second, strict=True)):
        raise ContractError(
            f"{_class_name(module)} is not reproducible: its output differs for the same input and caches; "
            "make its random numbers an input."
        )
    return function, states


def _call(module: nn.Module, buffers: dict[str, Tensor], inputs: Sequence[Tensor]) -> Tensor:
    """Run a module with other buffers than its own; `buffers` is updated with the new values."""
    output = torch.func.functional_call(module, buffers, tuple(inputs))
    if isinstance(output, (tuple, list)) and len(output) == 1:
        output = output[0]
    if not isinstance(output, Tensor):
        raise ContractError(f"{_class_name(module)} must return one tensor, not a {type(output).__name__}.")
    return output


def _find_changed(module: nn.Module, inputs: Sequence[Tensor]) -> list[str]:
    """Run a module on copies of its buffers, and name those that it writes, even with the same values."""
    before = {name: buffer.detach().clone() for name, buffer in module.named_buffers()}
    attributes, weights = _plain_attributes(module), {name: w.detach().clone() for name, w in module.named_parameters()}
    buffers = {name: buffer.clone() for name, buffer in before.items()}
    changed: set[str] = set()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        for run in range(RUNS):
            given = {name: (buffer, buffer._version) for name, buffer in buffers.items()}
            _call(module, buffers, [x if run == 0 else x + torch.randn_like(x) for x in inputs])
            changed |= {name for name, (buffer, version) in given.items() if _written(buffers[name], buffer, version)}
            changed |= {name for name, buffer in buffers.items() if not _equal(buffer, before[name])}
    for name in changed:
        _expect_carried(module, name, before[name], buffers[name])
    if moved := sorted(name for name, w in module.named_parameters() if not torch.equal(w, weights[name])):
        raise ContractError(f"{_class_name(module)} changes its weight '{moved[0]}' while it runs; keep it constant.")
    now = _plain_attributes(module)
    if moved := sorted(key for key in now.keys() | attributes.keys() if now.get(key) != attributes.get(key)):
        raise ContractError(
            f"{_class_name(module)} changes its attribute '{moved[0]}' while it runs, but only buffers are "
            f"carried over; make it one with register_buffer('{moved[0].rpartition('.')[2]}', ...)."
        )
    return [name for name in before if name in changed]


def _expect_carried(module: nn.Module, name: str, before: Tensor, after: Tensor) -> None:
    if before.shape != after.shape:
        raise ContractError(
            f"The cache '{name}' of {_class_name(module)} changes its shape from {list(before.shape)} to "
            f"{list(after.shape)}; give it its final length before the first step."
        )
    if after.is_complex():
        raise ContractError(
            f"The cache '{name}' of {_class_name(module)} is complex; store its real and imaginary parts."
        )


def _is_read(module: nn.Module, name: str, inputs: Sequence[Tensor]) -> bool:
    """Whether the value of a buffer affects the output or other buffers; one that is only written is not a cache."""
    held = {key: buffer.detach() for key, buffer in module.named_buffers()}
    if not held[name].is_floating_point():  # may be a position in a cache, so no other value is tried
        return True
    outcomes = []
    for shift in (0.0, 1.0, -1.0):
        buffers = {key: buffer.clone() for key, buffer in held.items()}
        buffers[name] = buffers[name] + shift
        with torch.no_grad():
            output = _call(module, buffers, inputs)
        outcomes.append([output, *buffers.values()])
    as_it_is, *others = outcomes
    return not all(_equal(a, b) for other in others for a, b in zip(as_it_is, other, strict=True))


def _plain_attributes(module: nn.Module) -> dict[str, Any]:
    """Fingerprint the plain attributes of a module and its submodules, by their full names."""
    found = {}
    for prefix, inner in module.named_modules():
        for name, value in vars(inner).items():
            if name not in TORCH_ATTRIBUTES:
                found[f"{prefix}.{name}" if prefix else name] = _fingerprint(value, set())
    return found


TORCH_ATTRIBUTES = frozenset(vars(nn.Module()))
"""Attributes of every torch module; buffers, weights and submodules are checked separately."""


def _fingerprint(value: Any, seen: set[int]) -> Any:
    """Return a value that can be compared later; of opaque objects, their identity."""
    if isinstance(value, (Tensor, np.ndarray)):
        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
        return str(array.dtype), array.shape, array.tobytes()
    if isinstance(value, (bool, int, float, complex, str, bytes, type(None))):
        return type(value).__name__, repr(value)
    if id(value) in seen or isinstance(value, (nn.Module, type)) or callable(value):
        return id(value)
    seen = seen | {id(value)}
    if isinstance(value, Mapping):
        return [(repr(key), _fingerprint(item, seen)) for key, item in value.items()]
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return [_fingerprint(item, seen) for item in value]
    inside = vars(value) if hasattr(value, "__dict__") else {}
    return [id(value), *((key, _fingerprint(item, seen)) for key, item in inside.items())]


def _written(after: Tensor, before: Tensor, version: int) -> bool:
    return after is not before or before._version != version


def _equal(a: Tensor, b: Tensor) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return bool(((a == b) | (torch.isnan(a) & torch.isnan(b))).all())


def _class_name(module: nn.Module) -> str:
    return type(module).__name__
