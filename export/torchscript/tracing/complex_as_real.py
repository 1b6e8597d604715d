"""Operators on complex numbers, rewritten with pairs of real numbers, because ONNX graphs have no complex type.

Fourier transforms become products with matrices of cosines and sines, up to a length beyond which the operator DFT is
used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx

from export.errors import ContractError
from export.torchscript.tracing.lowering import ALIASES, ComplexNodes, Rewrite, Writer, real, weight

aten = torch.ops.aten
MAX_MATRIX_SIZE = 1024


def lower_complex(writer: Writer, func: Any, args: Any, kwargs: Any, made: Any) -> Any:
    """Rewrite an operator with complex inputs or outputs.

    Returns
    -------
    fx.Node or ComplexNodes
        The output in the graph; a complex one is a pair of real nodes.

    Raises
    ------
    ContractError
        There is no rewrite for it; the message names it.
    """
    if func in ALIASES:
        return writer.value(args[0])
    rewrite = COMPLEX.get(func)
    if rewrite is not None:
        return rewrite(writer, args, kwargs, made)
    if func in SHAPING:
        return _on_both_parts(writer, func, args, kwargs)
    raise ContractError(f"the operator '{func.name()}' on complex numbers has no counterpart in the graph")


def _as_complex(writer: Writer, value: Any) -> ComplexNodes:
    """Return the real and imaginary nodes of a tensor or number."""
    if not isinstance(value, Tensor):
        number = complex(value)
        return ComplexNodes(weight(writer, torch.tensor(number.real)), weight(writer, torch.tensor(number.imag)))
    known = writer.value(value)
    if isinstance(known, ComplexNodes):
        return known
    return ComplexNodes(known, weight(writer, torch.zeros((), dtype=value.dtype)))


def _on_both_parts(writer: Writer, func: Any, args: Any, kwargs: Any) -> Any:
    """Apply an operator that only moves elements to both parts."""

    def side(part: str) -> Any:
        def of(leaf: Any) -> Any:
            if isinstance(leaf, Tensor):
                known = writer.value(leaf)
                return getattr(known, part) if isinstance(known, ComplexNodes) else known
            return [of(entry) for entry in leaf] if isinstance(leaf, list | tuple) else leaf

        return writer.emit(func, *(of(arg) for arg in args), **kwargs)

    return ComplexNodes(side("real"), side("imag"))


def _elementwise(sign: Any) -> Rewrite:
    def rewrite(writer: Writer, args: Any, kwargs: Any, made: Any) -> ComplexNodes:
        a, b = (_as_complex(writer, arg) for arg in args[:2])
        return ComplexNodes(writer.emit(sign, a.real, b.real), writer.emit(sign, a.imag, b.imag))

    return rewrite


def _mul(writer: Writer, args: Any, kwargs: Any, made: Any) -> ComplexNodes:
    if not _is_complex(args[1]):
        return _scaled(writer, args[0], args[1], aten.mul.Tensor)
    if not _is_complex(args[0]):
        return _scaled(writer, args[1], args[0], aten.mul.Tensor)
    a, b = (_as_complex(writer, arg) for arg in args[:2])
    times = aten.mul.Tensor
    real = writer.emit(aten.sub.Tensor, writer.emit(times, a.real, b.real), writer.emit(times, a.imag, b.imag))
    imag = writer.emit(aten.add.Tensor, writer.emit(times, a.real, b.imag), writer.emit(times, a.imag, b.real))
    return ComplexNodes(real, imag)


def _div(writer: Writer, args: Any, kwargs: Any, made: Any) -> ComplexNodes:
    if not _is_complex(args[1]):
        return _scaled(writer, args[0], args[1], aten.div.Tensor)
    a, b = (_as_complex(writer, arg) for arg in args[:2])
    times, plus, minus, over = aten.mul.Tensor, aten.add.Tensor, aten.sub.Tensor, aten.div.Tensor
    power = writer.emit(plus, writer.emit(times, b.real, b.real), writer.emit(times, b.imag, b.imag))
    real = writer.emit(plus, writer.emit(times, a.real, b.real), writer.emit(times, a.imag, b.imag))
    imag = writer.emit(minus, writer.emit(times, a.imag, b.real), writer.emit(times, a.real, b.imag))
    return ComplexNodes(writer.emit(over, real, power), writer.emit(over, imag, power))


def _scaled(writer: Writer, tensor: Any, by: Any, operator: Any) -> ComplexNodes:
    a = _as_complex(writer, tensor)
    factor = real(writer, by) if isinstance(by, Tensor) else float(by)
    return ComplexNodes(writer.emit(operator, a.real, factor), writer.emit(operator, a.imag, factor))


def _is_complex(value: Any) -> bool:
    return value.is_complex() if isinstance(value, Tensor) else isinstance(value, complex)


def _conj(writer: Writer, args: Any, kwargs: Any, made: Any) -> ComplexNodes:
    a = _as_complex(writer, args[0])
    return ComplexNodes(a.real, writer.emit(aten.neg.default, a.imag))


def _neg(writer: Writer, args: Any, kwargs: Any, made: Any) -> ComplexNodes:
    a = _as_complex(writer, args[0])
    return ComplexNodes(writer.emit(aten.neg.default, a.real), writer.emit(aten.neg.default, a.imag))


def _abs(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    a = _as_complex(writer, args[0])
    times = aten.mul.Tensor
    power = writer.emit(aten.add.Tensor, writer.emit(times, a.real, a.real), writer.emit(times, a.imag, a.imag))
    return writer.emit(aten.sqrt.default, power)


def _angle(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    a = _as_complex(writer, args[0])
    return writer.emit(aten.atan2.default, a.imag, a.real)


def _exp(writer: Writer, args: Any, kwargs: Any, made: Any) -> ComplexNodes:
    a = _as_complex(writer, args[0])
    size = writer.emit(aten.exp.default, a.real)
    turns = [writer.emit(turn, a.imag) for turn in (aten.cos.default, aten.sin.default)]
    return ComplexNodes(*(writer.emit(aten.mul.Tensor, size, turn) for turn in turns))


def _polar(writer: Writer, args: Any, kwargs: Any, made: Any) -> ComplexNodes:
    size, angle = (real(writer, arg) for arg in args)
    turns = [writer.emit(turn, angle) for turn in (aten.cos.default, aten.sin.default)]
    return ComplexNodes(*(writer.emit(aten.mul.Tensor, size, turn) for turn in turns))


def _complex(writer: Writer, args: Any, kwargs: Any, made: Any) -> ComplexNodes:
    return ComplexNodes(real(writer, args[0]), real(writer, args[1]))


def _to_complex(writer: Writer, args: Any, kwargs: Any, made: Any) -> Any:
    if not made.is_complex():
        return _as_complex(writer, args[0]).real
    return _as_complex(writer, args[0])


def _view_as_real(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    a = _as_complex(writer, args[0])
    return writer.emit(aten.stack.default, [a.real, a.imag], -1)


def _view_as_complex(writer: Writer, args: Any, kwargs: Any, made: Any) -> ComplexNodes:
    node = real(writer, args[0])
    return ComplexNodes(*(writer.emit(aten.select.int, node, -1, k) for k in (0, 1)))


def _real_part(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    return _as_complex(writer, args[0]).real


def _imaginary_part(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    return _as_complex(writer, args[0]).imag


def _rfft(writer: Writer, args: Any, kwargs: Any, made: Any) -> ComplexNodes:
    source, dims, norm, onesided = args
    *others, last = dims
    size = source.shape[last]
    node = real(writer, source)
    if size > MAX_MATRIX_SIZE and not others:
        transformed = writer.emit(
            aten.view_as_real.default, writer.emit(aten._fft_r2c.default, node, dims, norm, onesided)
        )
        return ComplexNodes(*(writer.emit(aten.select.int, transformed, -1, k) for k in (0, 1)))
    bins = size // 2 + 1 if onesided else size
    angle = 2 * math.pi * torch.outer(torch.arange(size), torch.arange(bins)).remainder(size).double() / size
    scale = _norm(norm, size)
    pair = ComplexNodes(
        _product(writer, node, scale * angle.cos(), last, source.dim()),
        _product(writer, node, -scale * angle.sin(), last, source.dim()),
    )
    for dim in others:
        pair = _fft_along(writer, pair, dim, source.shape[dim], source.dim(), norm, forward=True)
    return pair


def _irfft(writer: Writer, args: Any, kwargs: Any, made: Any) -> fx.Node:
    source, dims, norm, size = args
    *others, last = dims
    pair = _as_complex(writer, source)
    for dim in others:
        pair = _fft_along(writer, pair, dim, source.shape[dim], source.dim(), norm, forward=False)
    if size > MAX_MATRIX_SIZE and not others:
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


def _fft(writer: Writer, args: Any, kwargs: Any, made: Any) -> ComplexNodes:
    source, dims, norm, forward = args
    pair = _as_complex(writer, source)
    for dim in dims:
        pair = _fft_along(writer, pair, dim, source.shape[dim], source.dim(), norm, forward=forward)
    return pair


def _fft_along(
    writer: Writer, pair: ComplexNodes, dim: int, size: int, rank: int, norm: int, *, forward: bool
) -> ComplexNodes:
    """Transform a complex tensor along an axis."""
    angle = 2 * math.pi * torch.outer(torch.arange(size), torch.arange(size)).remainder(size).double() / size
    cos, sin = (_norm(norm, size) * turn for turn in (angle.cos(), angle.sin()))
    sin = -sin if forward else sin
    a, b = (_product(writer, side, cos, dim, rank) for side in (pair.real, pair.imag))
    c, d = (_product(writer, side, sin, dim, rank) for side in (pair.imag, pair.real))
    return ComplexNodes(writer.emit(aten.sub.Tensor, a, c), writer.emit(aten.add.Tensor, b, d))


def _product(writer: Writer, node: fx.Node, matrix: Tensor, dim: int, rank: int) -> fx.Node:
    """Multiply along an axis by a matrix [shape=(in, out)]."""
    weights = weight(writer, matrix.float().contiguous())
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
    aten.add.Tensor: _elementwise(aten.add.Tensor),
    aten.sub.Tensor: _elementwise(aten.sub.Tensor),
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
    aten.copy.default: lambda writer, args, kwargs, made: _as_complex(writer, args[1]),
    aten.view_as_real.default: _view_as_real,
    aten.view_as_complex.default: _view_as_complex,
    aten.real.default: _real_part,
    aten.imag.default: _imaginary_part,
    aten._fft_r2c.default: _rfft,
    aten._fft_c2r.default: _irfft,
    aten._fft_c2c.default: _fft,
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
