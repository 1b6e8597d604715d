"""Operators whose output shape, or whose effect on control flow, depends on the values of tensors.

A graph has one structure for all input, so it can't contain them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from export.torchscript.script.nn_tilde import plain_execution

aten = torch.ops.aten

VALUE_READS = {  # operators that return the value of a tensor to Python
    aten._local_scalar_dense.default,
    aten.is_nonzero.default,
    aten.equal.default,
}
DATA_DEPENDENT_SHAPES = {
    aten.nonzero.default,
    aten.masked_select.default,
    aten._unique2.default,
    aten.unique_consecutive.default,
    aten.unique_dim.default,
    aten.repeat_interleave.Tensor,
    aten.bincount.default,
    aten.histc.default,
}


def find_dependent_shape(step: Callable[..., Sequence[Tensor]], inputs: Sequence[Tensor]) -> str:
    """Find the first operator of a step whose output shape depends on values.

    Parameters
    ----------
    step, inputs
        A function, and its arguments.

    Returns
    -------
    str
        The reason for a refusal; empty if there is no such operator.
    """
    with contextlib.suppress(Exception), plain_execution(), _ShapeWatch() as shaping:
        step(*inputs)
    return shaping.reason


class _ShapeWatch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.reason = ""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in DATA_DEPENDENT_SHAPES or is_masked_index(func, args):
            self.reason = self.reason or dependence_reason(func)
        return func(*args, **(kwargs or {}))


def dependence_reason(func: Any) -> str:
    """Say in a clause why an operator with a data-dependent shape is refused."""
    return f"the shape of the output of '{operator_name(func)}' depends on the input values"


def operator_name(func: Any) -> str:
    """Return the name of an operator, such as `aten::nonzero`."""
    return str(func.name())


def is_masked_index(func: Any, args: Any) -> bool:
    """Whether a tensor is indexed by a mask, so that the output shape depends on the mask."""
    if func is not aten.index.Tensor:
        return False
    return any(isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8) for index in args[1])
