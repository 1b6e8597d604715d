"""The base class of layers that stream.

A layer runs in two ways. In training it takes a whole signal, padded at its ends as torch pads (`offline`). In
`eval()` it takes a stream, a chunk at a time, and keeps what it needs from one chunk to the next in buffers: any
division into chunks gives the same samples. A layer that looks ahead delays its output instead: its stream gives what
`offline` gives, `delay` samples later. Both agree once the stream has run for as long as the layer's reach.

Shapes: `[batch, channels, samples]`, and `[batch, channels, samples, rows]` where a sample has rows of its own, as in
`export.streaming.conv2d_streaming`. A stream has a batch of one.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from fractions import Fraction

import torch
from torch import Tensor, nn

from export.errors import GlitchError


class StreamingError(GlitchError):
    """A layer or a stack that cannot stream."""


class Layer(nn.Module, ABC):
    """What streams.

    Attributes
    ----------
    takes, gives : int
        The least number of samples that go in, and how many come out for them; any portion is a multiple of `takes`.
    delay : int
        Samples, at the output's rate, by which the stream is later than `offline`.
    inputs, outputs : int or None
        Channels; None is any number, and as many come out as go in.
    live : bool
        Whether `eval()` streams; see `whole`.
    """

    def __init__(
        self, *, takes: int = 1, gives: int = 1, delay: int = 0, inputs: int | None = None, outputs: int | None = None
    ) -> None:
        super().__init__()
        self.takes, self.gives, self.delay = takes, gives, delay
        self.inputs, self.outputs = inputs, outputs
        self.live = True
        self._kept: list[str] = []

    @property
    def ratio(self) -> Fraction:
        """Samples that come out for each that goes in."""
        return Fraction(self.gives, self.takes)

    @property
    def streams(self) -> bool:
        """Whether `forward` goes on from what went before."""
        return self.live and not self.training

    def forward(self, x: Tensor) -> Tensor:
        """Run: a portion of a stream in `eval()`, else a whole signal."""
        if not torch.compiler.is_compiling():
            self._check(x)
        return self.stream(x) if self.streams else self.offline(x)

    @abstractmethod
    def offline(self, x: Tensor) -> Tensor:
        """Run over a whole signal [batch, inputs, samples] → [batch, outputs, samples * ratio]."""

    @abstractmethod
    def stream(self, x: Tensor) -> Tensor:
        """Run over the next portion [1, inputs, samples] → [1, outputs, samples * ratio], `delay` samples late."""

    def keep(self, name: str, *shape: int) -> None:
        """Make a buffer of zeros that is kept between two portions; no checkpoint holds it."""
        self.register_buffer(name, torch.zeros(shape), persistent=False)
        self._kept.append(name)

    def carry(self, name: str, value: Tensor) -> None:
        """Keep a value for the next portion."""
        setattr(self, name, value.detach())

    def forget(self) -> None:
        """Bring what is kept back to zeros."""
        for name in self._kept:
            setattr(self, name, torch.zeros_like(getattr(self, name)))

    def _check(self, x: Tensor) -> None:
        kind = type(self).__name__
        if x.dim() not in (3, 4) or self.inputs not in (None, x.shape[1]):
            wanted = "channels" if self.inputs is None else str(self.inputs)
            raise StreamingError(f"{kind} takes [batch, {wanted}, samples], and was given {list(x.shape)}.")
        if x.shape[2] % self.takes:
            raise StreamingError(f"{kind} takes multiples of {self.takes} samples, and was given {x.shape[2]}.")
        if self.streams and x.shape[0] != 1:
            raise StreamingError(
                f"{kind} streams one signal at a time, and was given {x.shape[0]}; "
                "call train() to train, or use whole() to run over whole signals."
            )


def reset_caches(module: nn.Module) -> None:
    """Bring every layer inside a module back to the state before the first sample."""
    for layer in module.modules():
        if isinstance(layer, Layer):
            layer.forget()


@contextlib.contextmanager
def whole_signals(module: nn.Module) -> Iterator[None]:
    """Let a module in `eval()` run over whole signals for a while: to validate, or to compare."""
    layers = [layer for layer in module.modules() if isinstance(layer, Layer)]
    before = [layer.live for layer in layers]
    for layer in layers:
        layer.live = False
    try:
        yield
    finally:
        for layer, live in zip(layers, before, strict=True):
            layer.live = live


def window_delay(reach: int, before: int, step: int) -> tuple[int, int]:
    """Plan a window that moves on by `step` samples, reaches over `reach` and begins `before` ahead of its place.

    Returns
    -------
    steps : int
        By how many steps its answer must wait until all samples that it looks ahead to have come.
    past : int
        Samples before a portion that the window still reaches back to.
    """
    ahead = reach - before - step  # beyond the end of the portion that the window stands in
    steps = max(0, -(-ahead // step))
    return steps, steps * step + before
