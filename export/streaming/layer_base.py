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
    """A layer or a stack that can't stream."""


class Layer(nn.Module, ABC):
    """Base class of layers that stream.

    Attributes
    ----------
    takes, gives : int
        Samples of a step: the smallest input, and its output. The length of every chunk is a multiple of `takes`.
    delay : int
        Samples of the output by which the stream lags `offline`.
    inputs, outputs : int or None
        Channels. With None, any number, and the output has as many as the input.
    live : bool
        Whether the layer streams in `eval()`; see `whole_signals`.
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
        """Output samples per input sample."""
        return Fraction(self.gives, self.takes)

    @property
    def streams(self) -> bool:
        """Whether `forward` continues a stream."""
        return self.live and not self.training

    def forward(self, x: Tensor) -> Tensor:
        """Process a chunk of a stream in `eval()`, otherwise a whole signal."""
        if not torch.compiler.is_compiling():
            self._check(x)
        return self.stream(x) if self.streams else self.offline(x)

    @abstractmethod
    def offline(self, x: Tensor) -> Tensor:
        """Process a whole signal: [batch, inputs, samples] → [batch, outputs, samples * ratio]."""

    @abstractmethod
    def stream(self, x: Tensor) -> Tensor:
        """Process the next chunk: [1, inputs, samples] → [1, outputs, samples * ratio], `delay` samples late."""

    def add_cache(self, name: str, *shape: int) -> None:
        """Add a cache: a buffer of zeros that is carried from chunk to chunk, and not stored in checkpoints."""
        self.register_buffer(name, torch.zeros(shape), persistent=False)
        self._kept.append(name)

    def update_cache(self, name: str, value: Tensor) -> None:
        """Set a cache for the next chunk."""
        setattr(self, name, value.detach())

    def reset_caches(self) -> None:
        """Set all caches of this layer to zeros."""
        for name in self._kept:
            setattr(self, name, torch.zeros_like(getattr(self, name)))

    def _check(self, x: Tensor) -> None:
        kind = type(self).__name__
        if x.dim() not in (3, 4) or self.inputs not in (None, x.shape[1]):
            wanted = "channels" if self.inputs is None else str(self.inputs)
            raise StreamingError(f"{kind} takes [batch, {wanted}, samples], not {list(x.shape)}.")
        if x.shape[2] % self.takes:
            raise StreamingError(f"{kind} takes multiples of {self.takes} samples, not {x.shape[2]}.")
        if self.streams and x.shape[0] != 1:
            raise StreamingError(
                f"{kind} streams one signal at a time, not {x.shape[0]}; "
                "call train() to train, or use whole_signals() to process whole signals."
            )


def reset_caches(module: nn.Module) -> None:
    """Reset every layer in a module to its state before the first sample."""
    for layer in module.modules():
        if isinstance(layer, Layer):
            layer.reset_caches()


@contextlib.contextmanager
def whole_signals(module: nn.Module) -> Iterator[None]:
    """Context in which a module in `eval()` processes whole signals, for validation or comparison."""
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
    """Compute the delay and the history of a sliding window.

    Parameters
    ----------
    reach : int
        Length of the window in samples.
    before : int
        Samples of the window before the step that it belongs to.
    step : int
        Samples by which it advances.

    Returns
    -------
    steps : int
        Delay in steps, until the window's look-ahead has arrived.
    past : int
        Samples before a chunk that the window needs.
    """
    ahead = reach - before - step  # beyond the end of the step
    steps = max(0, -(-ahead // step))
    return steps, steps * step + before
