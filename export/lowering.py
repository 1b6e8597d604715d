"""Operators that an ONNX graph says otherwise than torch does, or that its exporter gets wrong, said plainly.

What happens in place comes out of `functionalize` as scatters and copies; here it becomes a concatenation. Complex
numbers become pairs of real ones, and transforms a product with a matrix of cosines and sines, up to a length at which
the operator DFT is the better way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, fx

from export.contract import ContractError

aten = torch.ops.aten
LONGEST_MATRIX = 1024


@dataclass(frozen=True)
class Pair:
    """A complex tensor in the graph: real and imaginary part."""

    real: fx.Node
    imag: fx.Node


class Writer(Protocol):
    """What a rewrite writes with; see `export.tracing.Recorder`."""

    def emit(self, target: Any, *args: Any, **kwargs: Any) -> fx.Node:
        """Write a node."""

    def value(self, tensor: Tensor) -> fx.Node | Pair:
        """Give what stands for a tensor in the graph."""

    def node(self, value: fx.Node | Pair) -> fx.Node:
        """Give a value that must be real."""

    def constant(self, tensor: Tensor) -> fx.Node | Pair:
        """Make a tensor a constant of the graph."""


Rewrite = Callable[[Writer, Any, Any, Any], "fx.Node | Pair"]

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


def _real(writer: Writer, tensor: Tensor) -> fx.Node:
    return writer.node(writer.value(tensor))


def _weight(writer: Writer, tensor: Tensor) -> fx.Node:
    return writer.node(writer.constant(tensor))


def _flip(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    node = _real(writer, args[0])
    for dim in args[1]:
        backwards = torch.arange(args[0].shape[dim] - 1, -1, -1)
        node = writer.emit(aten.index_select.default, node, dim, _weight(writer, backwards))
    return node


def _copy(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    target, source = args[0], args[1]
    node = _real(writer, source)
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
        both = writer.emit(aten.cat.default, [_real(writer, target), _real(writer, source)], dim)
        return writer.emit(aten.index_select.default, both, dim, _weight(writer, order))
    parts = []
    if begin > 0:
        parts.append(writer.emit(aten.slice.Tensor, _real(writer, target), dim, 0, begin))
    if stop > begin:
        parts.append(_copied(writer, source, target))
    if stop < size:
        parts.append(writer.emit(aten.slice.Tensor, _real(writer, target), dim, stop, size))
    return parts[0] if len(parts) == 1 else writer.emit(aten.cat.default, parts, dim)


def _copied(writer: Writer, source: Tensor, target: Tensor) -> fx.Node:
    node = _real(writer, source)
    return node if source.dtype == target.dtype else writer.emit(aten._to_copy.default, node, dtype=target.dtype)


def _select_scatter(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    target, source, dim, index = args
    dim, size = dim % target.dim(), target.shape[dim]
    index %= size
    parts = []
    if index > 0:
        parts.append(writer.emit(aten.slice.Tensor, _real(writer, target), dim, 0, index))
    parts.append(writer.emit(aten.unsqueeze.default, _copied(writer, source, target), dim))
    if index + 1 < size:
        parts.append(writer.emit(aten.slice.Tensor, _real(writer, target), dim, index + 1, size))
    return parts[0] if len(parts) == 1 else writer.emit(aten.cat.default, parts, dim)


def _as_strided(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    """Gather what lies at the strides; the source's own strides are those of the recorded run."""
    source, size, stride = args[:3]
    offset = args[3] if len(args) > 3 else kwargs.get("storage_offset")
    offset = 0 if offset is None else offset - source.storage_offset()
    places = torch.empty_strided(source.shape, source.stride(), dtype=torch.int64)
    places.copy_(torch.arange(source.numel()).reshape(source.shape))
    index = places.as_strided(size, stride, offset).reshape(-1)
    flat = writer.emit(aten.reshape.default, _real(writer, source), [-1])
    gathered = writer.emit(aten.index_select.default, flat, 0, _weight(writer, index.clone()))
    return writer.emit(aten.reshape.default, gathered, list(size))


def _unfold(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    source, dim, size, step = args
    dim %= source.dim()
    count = (source.shape[dim] - size) // step + 1
    index = (torch.arange(count)[:, None] * step + torch.arange(size)).reshape(-1)
    taken = writer.emit(aten.index_select.default, _real(writer, source), dim, _weight(writer, index))
    shape = [*source.shape[:dim], count, size, *source.shape[dim + 1 :]]
    split = writer.emit(aten.reshape.default, taken, shape)
    order = [k for k in range(len(shape)) if k != dim + 1] + [dim + 1]
    return writer.emit(aten.permute.default, split, order)


def _roll(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    source, shifts = args[0], args[1]
    dims = args[2] if len(args) > 2 else kwargs.get("dims", [])
    node = _real(writer, source)
    if not dims:
        index = torch.arange(source.numel()).roll(shifts[0])
        flat = writer.emit(aten.reshape.default, node, [-1])
        return writer.emit(
            aten.reshape.default,
            writer.emit(aten.index_select.default, flat, 0, _weight(writer, index)),
            list(source.shape),
        )
    for shift, dim in zip(shifts, dims, strict=True):
        index = torch.arange(source.shape[dim]).roll(shift)
        node = writer.emit(aten.index_select.default, node, dim, _weight(writer, index))
    return node


def _view(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    """Reshape: a view is one only of the strides that the recorded run happened to have."""
    return writer.emit(aten.reshape.default, _real(writer, args[0]), list(made.shape))


def _fill(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    """Take a tensor that is full of a number for what it is."""
    number = args[1]
    if isinstance(number, Tensor):
        return writer.emit(aten.expand.default, _copied(writer, number, args[0]), list(args[0].shape))
    return _weight(writer, made.clone())


def _full_like(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    return _weight(writer, made.clone())


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


# complex numbers


def lower_complex(writer: Writer, func: Any, args: Any, kwargs: Any, made: Any) -> Any:
    """Write an operator that takes or gives complex numbers with real ones.

    Raises
    ------
    ContractError
        There is no way written here for it; the message names it.
    """
    if func in ALIASES:
        return writer.value(args[0])
    rewrite = COMPLEX.get(func)
    if rewrite is not None:
        return rewrite(writer, args, kwargs, made)
    if func in SHAPING:
        return _shaped(writer, func, args, kwargs)
    raise ContractError(f"the operator '{func.name()}' on complex numbers has no counterpart in the graph")


def _pair(writer: Writer, value: Any) -> Pair:
    """Give a tensor or number as a pair."""
    if not isinstance(value, Tensor):
        number = complex(value)
        return Pair(_weight(writer, torch.tensor(number.real)), _weight(writer, torch.tensor(number.imag)))
    known = writer.value(value)
    if isinstance(known, Pair):
        return known
    return Pair(known, _weight(writer, torch.zeros((), dtype=value.dtype)))


def _shaped(writer: Writer, func: Any, args: Any, kwargs: Any) -> Any:
    """Do with both parts what only moves numbers."""

    def side(part: str) -> Any:
        def of(leaf: Any) -> Any:
            if isinstance(leaf, Tensor):
                known = writer.value(leaf)
                return getattr(known, part) if isinstance(known, Pair) else known
            return [of(entry) for entry in leaf] if isinstance(leaf, list | tuple) else leaf

        return writer.emit(func, *(of(arg) for arg in args), **kwargs)

    return Pair(side("real"), side("imag"))


def _sum(sign: Any) -> Rewrite:
    def rewrite(writer: Writer, args: Any, kwargs: Any, made: Any) -> Pair:
        a, b = (_pair(writer, arg) for arg in args[:2])
        return Pair(writer.emit(sign, a.real, b.real), writer.emit(sign, a.imag, b.imag))

    return rewrite


def _mul(writer: Writer, args: Any, kwargs: Any, made: Any) -> Pair:
    if not _is_complex(args[1]):
        return _scaled(writer, args[0], args[1], aten.mul.Tensor)
    if not _is_complex(args[0]):
        return _scaled(writer, args[1], args[0], aten.mul.Tensor)
    a, b = (_pair(writer, arg) for arg in args[:2])
    times = aten.mul.Tensor
    real = writer.emit(aten.sub.Tensor, writer.emit(times, a.real, b.real), writer.emit(times, a.imag, b.imag))
    imag = writer.emit(aten.add.Tensor, writer.emit(times, a.real, b.imag), writer.emit(times, a.imag, b.real))
    return Pair(real, imag)


def _div(writer: Writer, args: Any, kwargs: Any, made: Any) -> Pair:
    if not _is_complex(args[1]):
        return _scaled(writer, args[0], args[1], aten.div.Tensor)
    a, b = (_pair(writer, arg) for arg in args[:2])
    times, plus, minus, over = aten.mul.Tensor, aten.add.Tensor, aten.sub.Tensor, aten.div.Tensor
    power = writer.emit(plus, writer.emit(times, b.real, b.real), writer.emit(times, b.imag, b.imag))
    real = writer.emit(plus, writer.emit(times, a.real, b.real), writer.emit(times, a.imag, b.imag))
    imag = writer.emit(minus, writer.emit(times, a.imag, b.real), writer.emit(times, a.real, b.imag))
    return Pair(writer.emit(over, real, power), writer.emit(over, imag, power))


def _scaled(writer: Writer, tensor: Any, by: Any, operator: Any) -> Pair:
    a = _pair(writer, tensor)
    factor = _real(writer, by) if isinstance(by, Tensor) else float(by)
    return Pair(writer.emit(operator, a.real, factor), writer.emit(operator, a.imag, factor))


def _is_complex(value: Any) -> bool:
    return value.is_complex() if isinstance(value, Tensor) else isinstance(value, complex)


def _conj(writer: Writer, args: Any, kwargs: Any, made: Any) -> Pair:
    a = _pair(writer, args[0])
    return Pair(a.real, writer.emit(aten.neg.default, a.imag))


def _neg(writer: Writer, args: Any, kwargs: Any, made: Any) -> Pair:
    a = _pair(writer, args[0])
    return Pair(writer.emit(aten.neg.default, a.real), writer.emit(aten.neg.default, a.imag))


def _abs(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    a = _pair(writer, args[0])
    times = aten.mul.Tensor
    power = writer.emit(aten.add.Tensor, writer.emit(times, a.real, a.real), writer.emit(times, a.imag, a.imag))
    return writer.emit(aten.sqrt.default, power)


def _angle(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    a = _pair(writer, args[0])
    return writer.emit(aten.atan2.default, a.imag, a.real)


def _exp(writer: Writer, args: Any, kwargs: Any, made: Any) -> Pair:
    a = _pair(writer, args[0])
    size = writer.emit(aten.exp.default, a.real)
    turns = [writer.emit(turn, a.imag) for turn in (aten.cos.default, aten.sin.default)]
    return Pair(*(writer.emit(aten.mul.Tensor, size, turn) for turn in turns))


def _polar(writer: Writer, args: Any, kwargs: Any, made: Any) -> Pair:
    size, angle = (_real(writer, arg) for arg in args)
    turns = [writer.emit(turn, angle) for turn in (aten.cos.default, aten.sin.default)]
    return Pair(*(writer.emit(aten.mul.Tensor, size, turn) for turn in turns))


def _complex(writer: Writer, args: Any, kwargs: Any, made: Any) -> Pair:
    return Pair(_real(writer, args[0]), _real(writer, args[1]))


def _to_complex(writer: Writer, args: Any, kwargs: Any, made: Any) -> Any:
    if not made.is_complex():
        return _pair(writer, args[0]).real
    return _pair(writer, args[0])


def _view_as_real(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    a = _pair(writer, args[0])
    return writer.emit(aten.stack.default, [a.real, a.imag], -1)


def _view_as_complex(writer: Writer, args: Any, kwargs: Any, made: Any) -> Pair:
    node = _real(writer, args[0])
    return Pair(*(writer.emit(aten.select.int, node, -1, k) for k in (0, 1)))


def _real_part(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    return _pair(writer, args[0]).real


def _imaginary_part(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    return _pair(writer, args[0]).imag


def _forward_real(writer: Writer, args: Any, kwargs: Any, made: Any) -> Pair:
    source, dims, norm, onesided = args
    *others, last = dims
    size = source.shape[last]
    node = _real(writer, source)
    if size > LONGEST_MATRIX and not others:
        transformed = writer.emit(
            aten.view_as_real.default, writer.emit(aten._fft_r2c.default, node, dims, norm, onesided)
        )
        return Pair(*(writer.emit(aten.select.int, transformed, -1, k) for k in (0, 1)))
    bins = size // 2 + 1 if onesided else size
    angle = 2 * math.pi * torch.outer(torch.arange(size), torch.arange(bins)).remainder(size).double() / size
    scale = _norm(norm, size)
    pair = Pair(
        _product(writer, node, scale * angle.cos(), last, source.dim()),
        _product(writer, node, -scale * angle.sin(), last, source.dim()),
    )
    for dim in others:
        pair = _whole(writer, pair, dim, source.shape[dim], source.dim(), norm, forward=True)
    return pair


def _backward_real(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    source, dims, norm, size = args
    *others, last = dims
    pair = _pair(writer, source)
    for dim in others:
        pair = _whole(writer, pair, dim, source.shape[dim], source.dim(), norm, forward=False)
    if size > LONGEST_MATRIX and not others:
        both = writer.emit(aten.view_as_complex.default, writer.emit(aten.stack.default, [pair.real, pair.imag], -1))
        return writer.emit(aten._fft_c2r.default, both, dims, norm, size)
    bins = size // 2 + 1
    angle = 2 * math.pi * torch.outer(torch.arange(bins), torch.arange(size)).remainder(size).double() / size
    weight = torch.full((bins, 1), 2.0, dtype=torch.float64)
    weight[0] = 1.0
    if size % 2 == 0:
        weight[-1] = 1.0
    scale = _norm(norm, size) * weight
    rank = source.dim()
    real = _product(writer, pair.real, scale * angle.cos(), last, rank)
    return writer.emit(aten.sub.Tensor, real, _product(writer, pair.imag, scale * angle.sin(), last, rank))


def _both_complex(writer: Writer, args: Any, kwargs: Any, made: Any) -> Pair:
    source, dims, norm, forward = args
    pair = _pair(writer, source)
    for dim in dims:
        pair = _whole(writer, pair, dim, source.shape[dim], source.dim(), norm, forward=forward)
    return pair


def _whole(writer: Writer, pair: Pair, dim: int, size: int, rank: int, norm: int, *, forward: bool) -> Pair:
    """Transform complex numbers along an axis."""
    angle = 2 * math.pi * torch.outer(torch.arange(size), torch.arange(size)).remainder(size).double() / size
    cos, sin = (_norm(norm, size) * turn for turn in (angle.cos(), angle.sin()))
    sin = -sin if forward else sin
    a, b = (_product(writer, side, cos, dim, rank) for side in (pair.real, pair.imag))
    c, d = (_product(writer, side, sin, dim, rank) for side in (pair.imag, pair.real))
    return Pair(writer.emit(aten.sub.Tensor, a, c), writer.emit(aten.add.Tensor, b, d))


def _product(writer: Writer, node: fx.Node, matrix: Tensor, dim: int, rank: int) -> fx.Node:
    """Multiply along an axis with a matrix [shape=(in, out)]."""
    weights = _weight(writer, matrix.float().contiguous())
    dim %= rank
    if dim == rank - 1:
        return writer.emit(aten.matmul.default, node, weights)
    order = [k for k in range(rank) if k != dim] + [dim]
    back = [order.index(k) for k in range(rank)]
    moved = writer.emit(aten.matmul.default, writer.emit(aten.permute.default, node, order), weights)
    return writer.emit(aten.permute.default, moved, back)


def _norm(norm: int, size: int) -> float:
    return (1.0, 1.0 / math.sqrt(size), 1.0 / size)[norm]


COMPLEX: dict[Any, Callable[[Writer, Any, Any, Any], Any]] = {
    aten.add.Tensor: _sum(aten.add.Tensor),
    aten.sub.Tensor: _sum(aten.sub.Tensor),
    aten.mul.Tensor: _mul,
    aten.mul.Scalar: _mul,
    aten.div.Tensor: _div,
    aten.div.Scalar: _div,
    aten._conj.default: _conj,
    aten._conj_physical.default: _conj,
    aten.conj_physical.default: _conj,
    aten.neg.default: _neg,
    aten.abs.default: _abs,
    aten.angle.default: _angle,
    aten.exp.default: _exp,
    aten.polar.default: _polar,
    aten.complex.default: _complex,
    aten._to_copy.default: _to_complex,
    aten.copy.default: lambda writer, args, kwargs, made: _pair(writer, args[1]),
    aten.view_as_real.default: _view_as_real,
    aten.view_as_complex.default: _view_as_complex,
    aten.real.default: _real_part,
    aten.imag.default: _imaginary_part,
    aten._fft_r2c.default: _forward_real,
    aten._fft_c2r.default: _backward_real,
    aten._fft_c2c.default: _both_complex,
}

SHAPING = {
    aten.view.default,
    aten._unsafe_view.default,
    aten.reshape.default,
    aten.permute.default,
    aten.transpose.int,
    aten.t.default,
    aten.unsqueeze.default,
    aten.squeeze.default,
    aten.squeeze.dim,
    aten.slice.Tensor,
    aten.select.int,
    aten.expand.default,
    aten.cat.default,
    aten.stack.default,
    aten.constant_pad_nd.default,
    aten.sum.dim_IntList,
    aten.mean.dim,
    aten.index_select.default,
}
