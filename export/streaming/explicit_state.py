"""A torch module that remembers becomes a function that is told: its caches go in and come out.

Caches are found by what a module does, not by what they are called: it is run, and the buffers that it writes and reads
again are its states. What changes elsewhere (a plain attribute, a weight) could not be carried in a file, and is
refused by name.
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
"""How often a module is run to see what changes: what is only filled later would be missed by one."""


class ExplicitState(nn.Module):
    """A module whose caches are arguments: `forward(input, *controls, *states)` gives `(output, *next_states)`.

    Attributes
    ----------
    names : tuple of str
        The buffers that the states stand for, in their order.
    written : tuple of str
        Buffers that are written and never read: nothing of them is carried.
    """

    def __init__(self, module: nn.Module, names: Sequence[str], written: Sequence[str] = ()) -> None:
        super().__init__()
        self.module, self.names, self.written = module, tuple(names), tuple(written)
        self.kinds = [module.get_buffer(name).dtype for name in names]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Run a step; states are float32 outside, and inside what the module made them."""
        count = len(tensors) - len(self.names)
        kinds = zip(self.names, tensors[count:], self.kinds, strict=True)
        buffers = {name: state.clone().to(kind) for name, state, kind in kinds}
        buffers |= {name: self.module.get_buffer(name).clone() for name in self.written}
        output = _call(self.module, buffers, tensors[:count])
        return (output, *(buffers[name].to(torch.float32) for name in self.names))


def with_explicit_state(module: nn.Module, example: Tensor | Sequence[Tensor]) -> tuple[ExplicitState, list[Tensor]]:
    """Turn a causal module with caches into one whose caches go in and come out.

    Parameters
    ----------
    module
        Takes the input and then its controls, and gives one tensor. It is put into `eval()`, and otherwise left as it
        is: its buffers keep their values, and weights are shared with what is given back.
    example
        What it takes: the input, or the input and its controls.

    Returns
    -------
    function : Explicit
        `forward(input, *controls, *states)` gives `(output, *next_states)`, as `export.torch_export` wants it.
    states : list of Tensor, float32
        What the caches hold now: where a stream begins.

    Raises
    ------
    ContractError
        Something changes that is no buffer, a cache changes its shape, or the output isn't the same twice.
    """
    inputs = (example,) if isinstance(example, Tensor) else tuple(example)
    module.eval()
    changed = _find_changed(module, inputs)
    caches = [name for name in changed if _is_read(module, name, inputs)]
    function = ExplicitState(module, caches, [name for name in changed if name not in caches])
    buffers = dict(module.named_buffers())
    states = [buffers[name].detach().clone().to(torch.float32) for name in caches]
    with torch.no_grad():
        once, again = (function(*inputs, *states) for _ in range(2))
    if not all(torch.equal(a, b) for a, b in zip(once, again, strict=True)):
        raise ContractError(
            f"{_class_name(module)} does not give the same twice for the same input and caches; "
            "make the random numbers that it draws an input."
        )
    return function, states


def _call(module: nn.Module, buffers: dict[str, Tensor], inputs: Sequence[Tensor]) -> Tensor:
    """Run a module with other buffers than its own, and find in `buffers` what it leaves there."""
    output = torch.func.functional_call(module, buffers, tuple(inputs))
    if isinstance(output, (tuple, list)) and len(output) == 1:
        output = output[0]
    if not isinstance(output, Tensor):
        raise ContractError(f"{_class_name(module)} must give one tensor, and gives a {type(output).__name__}.")
    return output


def _find_changed(module: nn.Module, inputs: Sequence[Tensor]) -> list[str]:
    """Run a module on copies of its buffers, and name those that it writes, be it the same again."""
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
        raise ContractError(f"{_class_name(module)} changes its weight '{moved[0]}' while it runs; keep it still.")
    now = _plain_attributes(module)
    if moved := sorted(key for key in now.keys() | attributes.keys() if now.get(key) != attributes.get(key)):
        raise ContractError(
            f"{_class_name(module)} changes its attribute '{moved[0]}' while it runs, and only buffers are "
            "carried over; "
            f"make it one with register_buffer('{moved[0].rpartition('.')[2]}', ...)."
        )
    return [name for name in before if name in changed]


def _expect_carried(module: nn.Module, name: str, before: Tensor, after: Tensor) -> None:
    if before.shape != after.shape:
        raise ContractError(
            f"The cache '{name}' of {_class_name(module)} changes its shape from {list(before.shape)} to "
            f"{list(after.shape)}; make it as long as it gets before the first step."
        )
    if after.is_complex():
        raise ContractError(
            f"The cache '{name}' of {_class_name(module)} is complex; keep its real and imaginary part."
        )


def _is_read(module: nn.Module, name: str, inputs: Sequence[Tensor]) -> bool:
    """Whether what a buffer holds makes a difference to what comes; one that is only written is no cache.

    Whole numbers may be places in a cache, so they aren't tried with other values.
    """
    held = {key: buffer.detach() for key, buffer in module.named_buffers()}
    if not held[name].is_floating_point():
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
    """Take down the plain attributes of a module and all inside it, by their full names."""
    found = {}
    for prefix, inner in module.named_modules():
        for name, value in vars(inner).items():
            if name not in TORCH_ATTRIBUTES:
                found[f"{prefix}.{name}" if prefix else name] = _fingerprint(value, set())
    return found


TORCH_ATTRIBUTES = frozenset(vars(nn.Module()))
"""What every torch module keeps for itself; buffers, weights and inner modules are looked at by themselves."""


def _fingerprint(value: Any, seen: set[int]) -> Any:
    """Copy what can be compared later; of what cannot be looked into, which object it is."""
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
