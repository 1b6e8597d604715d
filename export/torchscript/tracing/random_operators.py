"""Torch's random operators, in terms of standard normal and uniform numbers.

Graph and script must use the same noise to be comparable. Both draw standard numbers from
`export.torchscript.tracing.repeatable_noise`, and convert them here to the distribution of the operator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from export.torchscript.tracing.repeatable_noise import Draw, Kind, draw_numbers

aten = torch.ops.aten

NORMAL = {
    aten.randn.default,
    aten.randn_like.default,
    aten.normal.float_float,
    aten.normal.Tensor_float,
    aten.normal.float_Tensor,
    aten.normal.Tensor_Tensor,
    aten.normal_functional.default,
    aten.normal_.default,
}
UNIFORM = {
    aten.rand.default,
    aten.rand_like.default,
    aten.uniform.default,
    aten.uniform_.default,
    aten.randint.default,
    aten.randint.low,
    aten.randint_like.default,
    aten.randint_like.low_dtype,
    aten.bernoulli.default,
    aten.bernoulli.p,
    aten.bernoulli.Tensor,
    aten.bernoulli_.float,
    aten.bernoulli_.Tensor,
    aten.exponential.default,
    aten.exponential_.default,
}


def is_unsupported_draw(func: Any) -> bool:
    """Whether an operator draws from a distribution without a counterpart in a graph."""
    known = func in NORMAL or func in UNIFORM or "dropout" in func.name() or "generator" in func._overloadname
    return torch.Tag.nondeterministic_seeded in func.tags and not known


def draw_of(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Draw | None:
    """Return the draw of an operator; None if it is not a random operator."""
    if any(isinstance(leaf, torch.Generator) for leaf in (*args, *kwargs.values())):
        return None  # our own, for random input
    kind: Kind
    if func in NORMAL:
        kind = "normal"
    elif func in UNIFORM:
        kind = "uniform"
    else:
        return None
    shapes = [leaf.shape for leaf in args if isinstance(leaf, Tensor)]
    if shapes:
        shape = torch.broadcast_shapes(*shapes)  # type: ignore[no-untyped-call]
        return Draw(kind, tuple(shape))
    size = kwargs.get("size")
    if size is None:
        size = next(arg for arg in args if isinstance(arg, list | tuple))
    return Draw(kind, tuple(int(n) for n in size))


def from_standard(func: Any, args: Sequence[Any], kwargs: dict[str, Any], standard: Tensor) -> Tensor:
    """Convert standard numbers to the distribution of a random operator.

    Parameters
    ----------
    standard : Tensor
        Standard normals, or uniforms in [0, 1), of the shape from `draw_of`.

    Returns
    -------
    Tensor
        Of the shape of `standard` and the dtype that the operator returns. For an operator that works in place, its
        first argument, overwritten.
    """
    given = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False)) | kwargs
    made = _made(func, given, standard)
    like = next((arg for arg in args if isinstance(arg, Tensor)), None)
    dtype = given.get("dtype") or (like.dtype if like is not None else torch.get_default_dtype())
    if func in (aten.randint.default, aten.randint.low) and given.get("dtype") is None:
        dtype = torch.int64
    made = made.to(dtype) if made.dtype != dtype else made
    if func._schema.name.endswith("_"):
        args[0].copy_(made)
        return args[0]
    return made


def _made(func: Any, given: dict[str, Any], standard: Tensor) -> Tensor:
    name = func._schema.name.removeprefix("aten::").rstrip("_")
    if name in ("randn", "randn_like", "rand", "rand_like"):
        return standard
    if name in ("normal", "normal_functional"):
        return given.get("mean", 0.0) + standard * given.get("std", 1.0)
    if name == "uniform":
        low, high = given.get("from", 0.0), given.get("to", 1.0)
        return low + standard * (high - low)
    if name in ("randint", "randint_like"):
        low, high = given.get("low", 0), given["high"]
        return torch.floor(standard * (high - low)) + low
    if name == "bernoulli":
        chance = given.get("p", given["self"])
        return standard < (0.5 if chance is None else chance)
    return -torch.log(1.0 - standard) / given.get("lambd", 1.0)


def join_frames(standard: Tensor, one: tuple[int, ...], axis: int | None) -> Tensor:
    """Concatenate the random numbers of single frames.

    Parameters
    ----------
    standard : Tensor [shape=(frames, numbers a frame)]
    one
        Shape of one frame's numbers.
    axis
        The axis of the frames; None for a single frame.

    Returns
    -------
    Tensor
        Of the shape `one`, `frames` times as long on `axis`.
    """
    frames = standard.shape[0]
    if frames == 1 or axis is None:
        return standard.reshape(one)
    parts = standard.reshape(frames, *one).movedim(0, axis)
    return parts.reshape(*one[:axis], frames * one[axis], *one[axis + 1 :])


def frame_axis(one: tuple[int, ...], many: tuple[int, ...], frames: int) -> int | None:
    """Return the axis along which `many` is `frames` times `one`; None if there is no such single axis."""
    if len(one) != len(many):
        return None
    grown = [k for k, (a, b) in enumerate(zip(one, many, strict=True)) if a != b]
    return grown[0] if len(grown) == 1 and many[grown[0]] == frames * one[grown[0]] else None


class DrawShapes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Dispatch mode that lists the draws, and draws zeros."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.draws: list[Draw] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        draw = draw_of(func, args, kwargs or {})
        if draw is None:
            return func(*args, **(kwargs or {}))
        self.draws.append(draw)
        return from_standard(func, args, kwargs or {}, torch.zeros(draw.shape))


class NoiseSubstitution(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Dispatch mode that gives a script the noise of its graph.

    Parameters
    ----------
    draws
        Draws of one frame, in order.
    seed, count, frames
        The sequence, the first frame of this call, and its number of frames.
    amount
        As the control `noise`.

    Attributes
    ----------
    mismatched : bool
        Whether the draws for several frames have another layout than those for single frames, so that they can't be
        compared.
    """

    def __init__(self, draws: Sequence[Draw], seed: int, count: int, frames: int, amount: float = 1.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.draws, self.frames = draws, frames
        self.amount = amount
        each = [draw_numbers(draws, seed, count + k, amount) for k in range(frames)]
        self.flat = [torch.stack([torch.from_numpy(frame[k]) for frame in each]) for k in range(len(draws))]
        self.at = 0
        self.mismatched = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        wanted = draw_of(func, args, kwargs or {})
        if wanted is None:
            return func(*args, **(kwargs or {}))
        if self.amount == 0.0:
            mean = 0.0 if wanted.kind == "normal" else 0.5
            return from_standard(func, args, kwargs or {}, torch.full(wanted.shape, mean))
        if self.at >= len(self.draws):
            return self._mismatch(func, args, kwargs or {}, wanted)
        draw, flat = self.draws[self.at], self.flat[self.at]
        self.at += 1
        axis = frame_axis(draw.shape, wanted.shape, self.frames)
        if wanted.kind != draw.kind or (wanted.shape != draw.shape if self.frames == 1 else axis is None):
            return self._mismatch(func, args, kwargs or {}, wanted)
        return from_standard(func, args, kwargs or {}, join_frames(flat, draw.shape, axis))

    def _mismatch(self, func: Any, args: Any, kwargs: Any, wanted: Draw) -> Any:
        """Set the flag and continue, because an exception would have to pass through the interpreter."""
        self.mismatched = True
        return from_standard(func, args, kwargs, torch.zeros(wanted.shape))
