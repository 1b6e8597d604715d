"""Recording of a script's method as a graph of plain operators.

TorchScript's interpreter uses torch's dispatcher like all code, so a dispatch mode sees each operator with its actual
tensors. `functionalize` turns in-place operations into values. Only operators that depend on an input are recorded: all
others (the script's integer bookkeeping, weights computed from other weights) run as usual, and their results are
constants. Random draws become inputs, which `export.torchscript.tracing.repeatable_noise` generates.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from export.errors import ContractError
from export.torchscript.script.nn_tilde import plain_execution
from export.torchscript.tracing.complex_as_real import lower_complex
from export.torchscript.tracing.data_dependence import (
    DATA_DEPENDENT_SHAPES,
    VALUE_READS,
    dependence_reason,
    is_masked_index,
    operator_name,
)
from export.torchscript.tracing.lowering import ALIASES, REWRITES, ComplexNodes
from export.torchscript.tracing.random_operators import draw_of, from_standard, is_unsupported_draw, join_frames
from export.torchscript.tracing.recorded_graph import Recording
from export.torchscript.tracing.repeatable_noise import Draw

aten = torch.ops.aten

NoisePlan = list[tuple[Draw, int | None]]


def record(
    step: Callable[..., Sequence[Tensor]],
    inputs: Sequence[Tensor],
    names: Sequence[tuple[Tensor, str]],
    plan: NoisePlan | None = None,
    frames: int = 1,
) -> Recording:
    """Run a step on its inputs and record its operators.

    Parameters
    ----------
    step
        Returns the outputs of the graph. It may change the state of the script; the caller restores it.
    inputs
        Tensors; the graph must not depend on their values.
    names
        The module's own tensors with their names.
    plan, frames
        For a step over several frames: each draw for one frame, with the axis of the frames, and their number.

    Returns
    -------
    Recording

    Raises
    ------
    ContractError
        A shape depends on the input values, or an operator can't be recorded.
    """
    recorder = Recorder(names, plan, frames)
    copies = [given.detach().clone() for given in inputs]
    for k, copy in enumerate(copies):
        recorder.enter(copy, f"given_{k}")
    try:
        with plain_execution(), recorder:
            outputs = torch.func.functionalize(step)(*copies)
    except Exception:
        if recorder.refused:  # the cause of the error
            raise ContractError(recorder.refused) from None
        raise
    if recorder.refused:
        raise ContractError(recorder.refused)
    return recorder.finish(outputs)


def _out_of_place(func: Any) -> Any:
    """Return the out-of-place form of an in-place operator; None if there is none."""
    packet = getattr(aten, func._schema.name.removeprefix("aten::").rstrip("_"), None)
    for overload in (func._overloadname, "int"):  # `transpose_` is `transpose.int`
        found = getattr(packet, overload, None)
        if found is not None and len(found._schema.arguments) == len(func._schema.arguments):
            return found
    return None


def _share_memory(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors share memory."""
    storage = one.untyped_storage()
    if storage.data_ptr() != other.untyped_storage().data_ptr() or not storage.nbytes():
        return False
    if one.dtype != other.dtype:
        return True
    touched = torch.zeros(storage.nbytes() // one.element_size(), dtype=torch.bool)
    touched.as_strided(one.shape, one.stride(), one.storage_offset()).fill_(True)
    return bool(touched.as_strided(other.shape, other.stride(), other.storage_offset()).any())


def _identifier(part: str) -> str:
    name = "".join(c if c.isalnum() or c == "_" else "_" for c in part)
    return name or "_"


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The dispatch mode of `record`."""

    def __init__(self, names: Sequence[tuple[Tensor, str]], plan: NoisePlan | None, frames: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.graph = fx.Graph()
        self.plan, self.frames = plan, frames
        self.values: dict[int, fx.Node | ComplexNodes] = {}
        self.kept: list[Any] = [tensor for tensor, _ in names]  # an id is unique only while its object lives
        self.names = {id(tensor): name for tensor, name in names}
        self.own = {name for _, name in names}
        self.stale: set[int] = set()  # traced tensors whose memory was changed through another view
        self.overwritten: list[Tensor] = []  # constants whose memory contains traced values
        self.constants: dict[str, Tensor] = {}
        self.constant_nodes: dict[int, fx.Node] = {}
        self.draws: list[Draw] = []
        self.asked: list[tuple[str, Any]] = []
        self.layers: dict[str, str] = {}
        self._placeholders: list[fx.Node] = []
        self._layer = ""
        self.refused = ""

    def enter(self, tensor: Tensor, name: str) -> None:
        """Add an input of the graph."""
        self._keep(tensor, self._placeholder(name))

    def finish(self, outputs: Sequence[Tensor]) -> Recording:
        """Close the graph with its outputs."""
        self.graph.output(tuple(self.node(self.value(output)) for output in outputs))
        self.graph.lint()
        return Recording(self.graph, self.constants, self.draws, self.asked, self.layers, self.frames)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if is_unsupported_draw(func):
            self._refuse(
                f"it draws with '{operator_name(func)}', but only normal and uniform numbers can be reproduced"
            )
        draw = draw_of(func, args, kwargs)
        if draw is not None:
            return self._draw(func, args, kwargs, draw)
        if func._schema.is_mutable:
            return self._in_place(func, args, kwargs)
        made = func(*args, **kwargs)
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        traced = [tensor for tensor in tensors if id(tensor) in self.values]
        if not traced:
            self._name_after(tensors, made)
        elif func in VALUE_READS:
            self.asked.append((operator_name(func), made))
        elif func in DATA_DEPENDENT_SHAPES or is_masked_index(func, args):
            self._refuse(dependence_reason(func))
        else:
            self._write(func, args, kwargs, made)
        return made

    def _refuse(self, reason: str) -> None:
        """Store the first reason and continue, because an exception would have to pass through the interpreter."""
        self.refused = self.refused or reason

    # `Writer` of `export.torchscript.tracing.lowering`

    def emit(self, target: Any, *args: Any, **kwargs: Any) -> fx.Node:
        """Add a node."""
        node = self.graph.call_function(target, args, kwargs)
        if self._layer:
            self.layers[node.name] = self._layer
        return node

    def value(self, tensor: Tensor) -> fx.Node | ComplexNodes:
        """Return the node of a tensor: its traced value, or a constant."""
        if id(tensor) in self.stale or (id(tensor) not in self.values and self._is_overwritten(tensor)):
            self._refuse("a tensor is read after another view of it was changed in place")
        known = self.values.get(id(tensor))
        return known if known is not None else self.constant(tensor)

    def node(self, value: fx.Node | ComplexNodes) -> fx.Node:
        """Return the node of a value that must be real."""
        if isinstance(value, ComplexNodes):
            self._refuse("an operator for real numbers gets complex ones")
            return value.real
        return value

    def constant(self, tensor: Tensor) -> fx.Node | ComplexNodes:
        """Return the node of a constant; it is added once."""
        if tensor.is_complex():
            return ComplexNodes(self._constant(tensor.real.contiguous()), self._constant(tensor.imag.contiguous()))
        return self._constant(tensor)

    def _constant(self, tensor: Tensor) -> fx.Node:
        if id(tensor) not in self.constant_nodes:
            own = self.names.get(id(tensor))
            name = f"constant_{len(self.constants)}" if own is None else f"module.{own}"
            name = ".".join(_identifier(part) for part in name.split("."))
            while name in self.constants or any(other.startswith(f"{name}.") for other in self.constants):
                name += "_"
            self.kept.append(tensor)
            self.constants[name] = tensor.detach().contiguous() if own in self.own else tensor.detach().clone()
            self.constant_nodes[id(tensor)] = self.graph.get_attr(name)
        return self.constant_nodes[id(tensor)]

    def _keep(self, tensor: Tensor, value: fx.Node | ComplexNodes) -> None:
        self.kept.append(tensor)
        self.values[id(tensor)] = value

    def _placeholder(self, name: str) -> fx.Node:
        """Add an input after the last one, before all other nodes."""
        point = self._placeholders[-1].append if self._placeholders else self.graph._root.append
        node = self.graph.create_node("placeholder", name, name=name)
        point(node)
        self._placeholders.append(node)
        return node

    def _write(self, func: Any, args: Any, kwargs: Any, made: Any) -> None:
        self._layer = self._layer_of(args)
        tensors = [leaf for leaf in tree_leaves((args, kwargs, made)) if isinstance(leaf, Tensor)]
        if any(tensor.is_complex() for tensor in tensors):
            try:
                value = lower_complex(self, func, args, kwargs, made)
            except ContractError as error:
                self._refuse(str(error))
                return
        elif func in ALIASES:
            value = self.value(args[0])
        elif func in REWRITES:
            value = REWRITES[func](self, args, kwargs, made)
        else:
            value = self.plain(func, args, kwargs)
        if isinstance(made, Tensor):
            self._keep(made, value)
            return
        for k, part in enumerate(made):
            if isinstance(part, Tensor):
                own = value[k] if isinstance(value, list | tuple) and not isinstance(value, ComplexNodes) else None
                self._keep(part, own if own is not None else self.emit(operator.getitem, value, k))

    def _is_overwritten(self, tensor: Tensor) -> bool:
        return any(_share_memory(tensor, target) for target in self.overwritten)

    def _in_place(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Record an in-place operation that `functionalize` has left: the tensor has a new value from here on."""
        target = args[0]
        leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        moves = torch.Tag.inplace_view in func.tags  # changes only the view, not the memory
        shared = (
            [] if moves else [kept for kept in self.kept if isinstance(kept, Tensor) and _share_memory(kept, target)]
        )
        if any(id(leaf) in self.values for leaf in leaves):
            out_of_place = _out_of_place(func)
            if out_of_place is None or "out" in kwargs:
                self._refuse(f"'{operator_name(func)}' writes in place, and has no out-of-place form")
                return func(*args, **kwargs)
            before = target.clone()
            self._keep(before, self.value(target))
            made = out_of_place(before, *args[1:], **kwargs)
            if made.dtype != target.dtype:
                self._refuse(f"'{operator_name(func)}' writes {made.dtype} into {target.dtype}")
            self._write(out_of_place, (before, *args[1:]), kwargs, made)
            if id(target) not in self.values and not moves:
                self.overwritten.append(target)
            self.stale |= {id(other) for other in shared if other is not target and id(other) in self.values}
            self.stale.discard(id(target))
            self._keep(target, self.values[id(made)])
        for other in shared:
            self.constant_nodes.pop(id(other), None)
        return func(*args, **kwargs)

    def plain(self, func: Any, args: Any, kwargs: Any) -> fx.Node:
        """Add an operator unchanged."""

        def as_node(leaf: Any) -> Any:
            return self.node(self.value(leaf)) if isinstance(leaf, Tensor) else leaf

        return self.emit(func, *tree_map(as_node, tuple(args)), **tree_map(as_node, dict(kwargs)))

    def _draw(self, func: Any, args: Any, kwargs: Any, draw: Draw) -> Any:
        """Replace a random draw by an input."""
        one, axis = self.plan[len(self.draws)] if self.plan else (draw, None)
        flat = torch.zeros(self.frames, one.size)
        self._keep(flat, self._placeholder(f"noise_{len(self.draws)}"))
        self.draws.append(one)
        with self:
            return from_standard(func, args, kwargs, join_frames(flat, one.shape, axis))

    def _layer_of(self, args: Any) -> str:
        for leaf in tree_leaves(args):
            name = self.names.get(id(leaf)) if isinstance(leaf, Tensor) else None
            if name and id(leaf) not in self.values:
                return name.rpartition(".")[0] or name
        return ""

    def _name_after(self, tensors: list[Tensor], made: Any) -> None:
        """Name a tensor that is computed from a single weight after that weight."""
        name = next((self.names[id(tensor)] for tensor in tensors if id(tensor) in self.names), None)
        if name is not None and isinstance(made, Tensor) and id(made) not in self.names:
            self.names[id(made)] = name
            self.kept.append(made)
