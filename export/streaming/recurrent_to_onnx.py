"""Recurrent modules as ONNX operators: one node for any number of steps.

Torch's exporter unrolls a GRU for the number of steps in the example. Here it becomes the ONNX operator of the same
name (GRU, LSTM and RNN of opset 14), which takes any number of steps.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from export.errors import ContractError


@dataclass(frozen=True)
class Cell:
    """The ONNX operator of a recurrent function of torch, and its order of torch's gates."""

    operator: str
    gates: tuple[int, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    states: int = 1


CELLS = {
    "gru": Cell("GRU", (1, 0, 2), {"linear_before_reset": 1}),
    "lstm": Cell("LSTM", (0, 3, 1, 2), states=2),
    "rnn_tanh": Cell("RNN", (0,), {"activations": ["Tanh"]}),
    "rnn_relu": Cell("RNN", (0,), {"activations": ["Relu"]}),
}
"""By the name of torch's function. Torch orders gates reset, update, new (GRU) and in, forget, cell, out (LSTM)."""


@contextlib.contextmanager
def recurrent_as_operators() -> Iterator[None]:
    """Context in which torch's exporter writes recurrent modules as ONNX operators.

    Raises
    ------
    ContractError
        A recurrent module is bidirectional, so it needs the end of a signal first.
    """
    functions: Any = torch._VF
    before = {name: getattr(functions, name) for name in CELLS}
    for name, cell in CELLS.items():
        setattr(functions, name, functools.partial(_traced_cell, cell, before[name]))
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(functions, name, function)


def _traced_cell(cell: Cell, otherwise: Callable[..., Any], *arguments: Any) -> Any:
    """Replace `torch.gru` and the like while a graph is traced, except for packed sequences and projections."""
    x, held, weights, biased, layers, _, _, bidirectional, *rest = arguments
    if not torch.compiler.is_compiling() or not isinstance(weights, (list, tuple)):
        return otherwise(*arguments)
    if len(weights) != layers * (4 if biased else 2) * (2 if bidirectional else 1):
        return otherwise(*arguments)
    if bidirectional:
        raise ContractError(f"A bidirectional {cell.operator} needs the end of a signal first and can't stream.")
    x = x.transpose(0, 1) if rest[0] else x  # [steps, batch, inputs]
    states: Sequence[Tensor] = (held,) if isinstance(held, Tensor) else tuple(held)
    ended: list[list[Tensor]] = []
    per_layer = len(weights) // layers
    for layer in range(layers):
        begin = [state[layer : layer + 1] for state in states]
        x, last = _layer(cell, x, begin, weights[layer * per_layer : (layer + 1) * per_layer])
        ended.append(last)
    joined = [torch.cat(parts, dim=0) for parts in zip(*ended, strict=True)]
    return (x.transpose(0, 1) if rest[0] else x, *joined)


def _layer(cell: Cell, x: Tensor, states: list[Tensor], weights: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Run one layer: `x` [steps, batch, inputs] → [steps, batch, hidden], and its states [1, batch, hidden]."""
    steps, batch, hidden = x.shape[0], x.shape[1], states[0].shape[2]
    into, across, *biases = (_reorder_gates(weight, cell.gates) for weight in weights)
    bias = torch.cat(biases)[None] if biases else None
    made, *ended = torch.onnx.ops.symbolic_multi_out(
        cell.operator,
        (x, into[None], across[None], bias, None, *states),
        {"hidden_size": hidden, **cell.attributes},
        dtypes=[x.dtype] * (1 + cell.states),
        shapes=[(steps, 1, batch, hidden), *[(1, batch, hidden)] * cell.states],
        version=14,
    )
    return made.squeeze(1), ended


def _reorder_gates(weight: Tensor, gates: tuple[int, ...]) -> Tensor:
    parts = weight.chunk(len(gates))
    return torch.cat([parts[k] for k in gates])
