"""Operators that torch's exporter lacks or gets wrong, rewritten with simpler ones.

In-place operations come out of `functionalize` as scatters and copies, which become concatenations here. Views by
strides become gathers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, fx

aten = torch.ops.aten


@dataclass(frozen=True)
class ComplexNodes:
    """A complex tensor in the graph: the nodes of its real and imaginary part."""

    real: fx.Node
    imag: fx.Node


class Writer(Protocol):
    """The recorder as rewrites use it (see `export.torchscript.tracing.operator_recorder.Recorder`)."""

    def emit(self, target: Any, *args: Any, **kwargs: Any) -> fx.Node:
        """Add a node."""

    def value(self, tensor: Tensor) -> fx.Node | ComplexNodes:
        """Return the node of a tensor."""

    def node(self, value: fx.Node | ComplexNodes) -> fx.Node:
        """Return the node of a value that must be real."""

    def constant(self, tensor: Tensor) -> fx.Node | ComplexNodes:
        """Return the node of a constant."""


Rewrite = Callable[[Writer, Any, Any, Any], "fx.Node | ComplexNodes"]

ALIASES = {
    aten.clone.default,
    aten.detach.default,
    aten.alias.default,
    aten.lift_fresh.default,
    aten.lift_fresh_copy.default,
    aten.contiguous.default,
    aten.resolve_conj.default,
    aten.resolve_neg.default,
}


def real(writer: Writer, tensor: Tensor) -> fx.Node:
    """Return the node of a tensor that must be real."""
    return writer.node(writer.value(tensor))


def weight(writer: Writer, tensor: Tensor) -> fx.Node:
    """Return the node of a real constant."""
    return writer.node(writer.constant(tensor))


def _flip(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    node = real(writer, args[0])
    for dim in args[1]:
        backwards = torch.arange(args[0].shape[dim] - 1, -1, -1)
        node = writer.emit(aten.index_select.default, node, dim, weight(writer, backwards))
    return node


def _copy(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    target, source = args[0], args[1]
    node = real(writer, source)
    if source.dtype != target.dtype:
        node = writer.emit(aten._to_copy.default, node, dtype=target.dtype)
    if source.shape != target.shape:
        node = writer.emit(aten.expand.default, node, list(target.shape))
    return node


def _slice_scatter(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    given = [*args, *(0, None, None, 1)[len(args) - 2 :]]
    target, source, dim, start, end, step = given
    dim = kwargs.get("dim", dim) % target.dim()
    size = target.shape[dim]
    step = kwargs.get("step", step)
    begin, stop, _ = slice(kwargs.get("start", start), kwargs.get("end", end)).indices(size)
    stop = max(begin, stop)
    if step != 1:
        places = torch.arange(begin, stop, step)
        order = torch.arange(size)
        order[places] = size + torch.arange(len(places))
        both = writer.emit(aten.cat.default, [real(writer, target), real(writer, source)], dim)
        return writer.emit(aten.index_select.default, both, dim, weight(writer, order))
    parts = []
    if begin > 0:
        parts.append(writer.emit(aten.slice.Tensor, real(writer, target), dim, 0, begin))
    if stop > begin:
        parts.append(_copied(writer, source, target))
    if stop < size:
        parts.append(writer.emit(aten.slice.Tensor, real(writer, target), dim, stop, size))
    return parts[0] if len(parts) == 1 else writer.emit(aten.cat.default, parts, dim)


def _copied(writer: Writer, source: Tensor, target: Tensor) -> fx.Node:
    node = real(writer, source)
    return node if source.dtype == target.dtype else writer.emit(aten._to_copy.default, node, dtype=target.dtype)


def _select_scatter(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    target, source, dim, index = args
    dim, size = dim % target.dim(), target.shape[dim]
    index %= size
    parts = []
    if index > 0:
        parts.append(writer.emit(aten.slice.Tensor, real(writer, target), dim, 0, index))
    parts.append(writer.emit(aten.unsqueeze.default, _copied(writer, source, target), dim))
    if index + 1 < size:
        parts.append(writer.emit(aten.slice.Tensor, real(writer, target), dim, index + 1, size))
    return parts[0] if len(parts) == 1 else writer.emit(aten.cat.default, parts, dim)


def _as_strided(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    """Gather the elements of a strided view; the source has the strides of the recorded run."""
    source, size, stride = args[:3]
    offset = args[3] if len(args) > 3 else kwargs.get("storage_offset")
    offset = 0 if offset is None else offset - source.storage_offset()
    places = torch.empty_strided(source.shape, source.stride(), dtype=torch.int64)
    places.copy_(torch.arange(source.numel()).reshape(source.shape))
    index = places.as_strided(size, stride, offset).reshape(-1)
    flat = writer.emit(aten.reshape.default, real(writer, source), [-1])
    gathered = writer.emit(aten.index_select.default, flat, 0, weight(writer, index.clone()))
    return writer.emit(aten.reshape.default, gathered, list(size))


def _unfold(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    source, dim, size, step = args
    dim %= source.dim()
    count = (source.shape[dim] - size) // step + 1
    index = (torch.arange(count)[:, None] * step + torch.arange(size)).reshape(-1)
    taken = writer.emit(aten.index_select.default, real(writer, source), dim, weight(writer, index))
    shape = [*source.shape[:dim], count, size, *source.shape[dim + 1 :]]
    split = writer.emit(aten.reshape.default, taken, shape)
    order = [k for k in range(len(shape)) if k != dim + 1] + [dim + 1]
    return writer.emit(aten.permute.default, split, order)


def _roll(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    source, shifts = args[0], args[1]
    dims = args[2] if len(args) > 2 else kwargs.get("dims", [])
    node = real(writer, source)
    if not dims:
        index = torch.arange(source.numel()).roll(shifts[0])
        flat = writer.emit(aten.reshape.default, node, [-1])
        return writer.emit(
            aten.reshape.default,
            writer.emit(aten.index_select.default, flat, 0, weight(writer, index)),
            list(source.shape),
        )
    for shift, dim in zip(shifts, dims, strict=True):
        index = torch.arange(source.shape[dim]).roll(shift)
        node = writer.emit(aten.index_select.default, node, dim, weight(writer, index))
    return node


def _view(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    """Reshape instead of view, which would depend on the strides of the recorded run."""
    return writer.emit(aten.reshape.default, real(writer, args[0]), list(made.shape))


def _fill(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    """Make a constant of a filled tensor."""
    number = args[1]
    if isinstance(number, Tensor):
        return writer.emit(aten.expand.default, _copied(writer, number, args[0]), list(args[0].shape))
    return weight(writer, made.clone())


def _full_like(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    return weight(writer, made.clone())


REWRITES: dict[Any, Rewrite] = {
    aten.flip.default: _flip,
    aten.copy.default: _copy,
    aten.slice_scatter.default: _slice_scatter,
    aten.select_scatter.default: _select_scatter,
    aten.as_strided.default: _as_strided,
    aten.unfold.default: _unfold,
    aten.roll.default: _roll,
    aten.view.default: _view,
    aten._unsafe_view.default: _view,
    aten.fill.Scalar: _fill,
    aten.fill.Tensor: _fill,
    aten.zeros_like.default: _full_like,
    aten.ones_like.default: _full_like,
    aten.full_like.default: _full_like,
    aten.empty_like.default: _full_like,
    aten.new_zeros.default: _full_like,
    aten.new_ones.default: _full_like,
    aten.new_full.default: _full_like,
    aten.new_empty.default: _full_like,
}
