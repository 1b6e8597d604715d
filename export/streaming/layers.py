"""Convolutions, resampling and recurrent layers that stream.

See `export.streaming.layer_base` for the properties that all layers share. Each layer contains the torch module of the
same kind, so existing weights can be loaded into it, and weight norm can be applied.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.streaming.layer_base import Layer, StreamingError, window_delay

ZERO_CROSSINGS = 16
"""Zero crossings of the resampling filter's sinc on each side."""

KAISER_BETA = 9.0
"""Shape of the resampling filter's window: aliases are 90 dB down."""


class Conv1d(Layer):
    """A convolution with look-ahead; its stream is delayed by the look-ahead.

    Parameters
    ----------
    inputs, outputs, kernel, stride, dilation, groups, bias
        As of `torch.nn.Conv1d`.
    padding : int, optional
        Zeros before the signal, from 0 to one less than the reach of the kernel. Default: centred. After the signal
        there are as many as the last output needs: a stride of `s` gives one output for `s` samples.
    padding_mode : {"zeros"}
        The only mode that is possible in a stream.

    Raises
    ------
    StreamingError
        The padding doesn't fit the kernel, or has another mode.
    """

    past: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        padding: int | None = None,
        bias: bool = True,
        padding_mode: str = "zeros",
    ) -> None:
        if padding_mode != "zeros":
            raise StreamingError(
                f"A convolution can't stream with {padding_mode} padding, because a stream has no border; use zeros."
            )
        reach = dilation * (kernel - 1) + 1
        before = max(reach - stride, 0) // 2 if padding is None else padding
        if not 0 <= before < reach:
            raise StreamingError(f"The padding must be 0 to {reach - 1} samples for this kernel, not {before}.")
        delay, past = window_delay(reach, before, stride)
        super().__init__(takes=stride, delay=delay, inputs=inputs, outputs=outputs)
        self.conv = nn.Conv1d(inputs, outputs, kernel, stride=stride, dilation=dilation, groups=groups, bias=bias)
        self.before, self.after = before, max(reach - stride - before, 0)
        if past:
            self.keep("past", 1, inputs, past)

    def offline(self, x: Tensor) -> Tensor:
        """Convolve a signal with zeros around it."""
        made: Tensor = self.conv(F.pad(x, (self.before, self.after)))
        return made

    def stream(self, x: Tensor) -> Tensor:
        """Convolve the cache and the next chunk."""
        if self._kept:
            past = self.past.shape[2]
            x = torch.cat([self.past, x], dim=2)
            self.carry("past", x[:, :, x.shape[2] - past :])
        made: Tensor = self.conv(x)
        return made


class CausalConv1d(Conv1d):
    """A convolution without look-ahead: an output depends on samples up to the last one of its stride."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        before = max(dilation * (kernel - 1) + 1 - stride, 0)
        super().__init__(
            inputs, outputs, kernel, stride=stride, dilation=dilation, groups=groups, padding=before, bias=bias
        )


class ConvTranspose1d(Layer):
    """A transposed convolution with `stride` output samples for each input sample; the overlap is cached.

    Parameters
    ----------
    inputs, outputs, kernel, stride, groups, bias
        As of `torch.nn.ConvTranspose1d`.
    padding
        Samples cut off at the beginning, 0 to `kernel - stride`: 0 is causal, `(kernel - stride) / 2` centred. The
        stream is delayed by as much.

    Raises
    ------
    StreamingError
        The padding doesn't fit the kernel.
    """

    overlap: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int,
        groups: int = 1,
        padding: int = 0,
        bias: bool = True,
    ) -> None:
        longest = max(kernel - stride, 0)
        if not 0 <= padding <= longest:
            raise StreamingError(f"The padding must be 0 to {longest} samples for this kernel, not {padding}.")
        super().__init__(gives=stride, delay=padding, inputs=inputs, outputs=outputs)
        self.conv = nn.ConvTranspose1d(inputs, outputs, kernel, stride=stride, groups=groups, bias=bias)
        self.stride, self.padding, self.longer = stride, padding, kernel - stride
        if self.longer > 0:
            self.keep("overlap", 1, outputs, self.longer)

    def offline(self, x: Tensor) -> Tensor:
        """Convolve a signal, and cut `padding` samples off at the beginning."""
        return self._biased(self._spread(x)[:, :, self.padding : self.padding + x.shape[2] * self.stride])

    def stream(self, x: Tensor) -> Tensor:
        """Convolve the next chunk, add the cached overlap, and cache the new one."""
        made, length = self._spread(x), x.shape[2] * self.stride
        if self._kept:
            made = torch.cat([made[:, :, : self.longer] + self.overlap, made[:, :, self.longer :]], dim=2)
            self.carry("overlap", made[:, :, length:])
        return self._biased(made[:, :, :length])

    def _spread(self, x: Tensor) -> Tensor:
        """Convolve without the bias, which must not be added twice where chunks overlap."""
        made = F.conv_transpose1d(x, self.conv.weight, None, self.stride, groups=self.conv.groups)
        return F.pad(made, (0, -self.longer)) if self.longer < 0 else made

    def _biased(self, x: Tensor) -> Tensor:
        return x if self.conv.bias is None else x + self.conv.bias[:, None]


class Resample(Layer):
    """Resampling by `up / down`, with a windowed sinc for each phase.

    Parameters
    ----------
    channels : int
        Channels, resampled independently.
    up, down : int
        Output samples, for how many input samples; reduced to lowest terms.
    crossings : int
        Zero crossings of the sinc on each side. With more, the filter is steeper and the delay longer.

    References
    ----------
    J. O. Smith, "Digital Audio Resampling Home Page", CCRMA, Stanford University, 2002.
    """

    past: Tensor
    taps: Tensor

    def __init__(self, channels: int, up: int, down: int = 1, *, crossings: int = ZERO_CROSSINGS) -> None:
        if min(channels, up, down, crossings) < 1:
            raise StreamingError("Resample takes channels, up, down and crossings of at least 1.")
        up, down = up // math.gcd(up, down), down // math.gcd(up, down)
        taps, before = _sinc_phases(up, down, crossings)
        steps, past = window_delay(taps.shape[1], before, down)
        super().__init__(takes=down, gives=up, delay=steps * up, inputs=channels, outputs=channels)
        self.before, self.after = before, max(taps.shape[1] - before - down, 0)
        self.register_buffer("taps", torch.from_numpy(taps.astype(np.float32))[:, None], persistent=False)
        if past:
            self.keep("past", 1, channels, past)

    def offline(self, x: Tensor) -> Tensor:
        """Resample a signal with silence around it, without delay."""
        return self._filter(F.pad(x, (self.before, self.after)))

    def stream(self, x: Tensor) -> Tensor:
        """Resample the cache and the next chunk."""
        if self._kept:
            past = self.past.shape[2]
            x = torch.cat([self.past, x], dim=2)
            self.carry("past", x[:, :, x.shape[2] - past :])
        return self._filter(x)

    def _filter(self, x: Tensor) -> Tensor:
        batch, channels, samples = x.shape
        single = x.reshape(batch * channels, 1, samples)
        phases = F.conv1d(single, self.taps, stride=self.takes)  # [batch * channels, up, samples / down]
        return phases.transpose(1, 2).reshape(batch, channels, -1)


class GRU(Layer):
    """Gated recurrent units: [batch, inputs, samples] → [batch, outputs, samples]. Whole signals start from zeros."""

    hidden: Tensor

    def __init__(self, inputs: int, outputs: int, *, layers: int = 1) -> None:
        super().__init__(inputs=inputs, outputs=outputs)
        self.cells = nn.GRU(inputs, outputs, layers)
        self.keep("hidden", layers, 1, outputs)

    def offline(self, x: Tensor) -> Tensor:
        """Process a whole signal."""
        made, _ = self.cells(x.permute(2, 0, 1))  # [samples, batch, outputs]
        return made.permute(1, 2, 0)

    def stream(self, x: Tensor) -> Tensor:
        """Continue from the hidden state."""
        made, hidden = self.cells(x.permute(2, 0, 1), self.hidden)
        self.carry("hidden", hidden)
        return made.permute(1, 2, 0)


class LSTM(Layer):
    """Long short-term memory: [batch, inputs, samples] → [batch, outputs, samples]. Whole signals start from zeros."""

    hidden: Tensor
    cell: Tensor

    def __init__(self, inputs: int, outputs: int, *, layers: int = 1) -> None:
        super().__init__(inputs=inputs, outputs=outputs)
        self.cells = nn.LSTM(inputs, outputs, layers)
        self.keep("hidden", layers, 1, outputs)
        self.keep("cell", layers, 1, outputs)

    def offline(self, x: Tensor) -> Tensor:
        """Process a whole signal."""
        made, _ = self.cells(x.permute(2, 0, 1))  # [samples, batch, outputs]
        return made.permute(1, 2, 0)

    def stream(self, x: Tensor) -> Tensor:
        """Continue from the hidden state and the cell state."""
        made, (hidden, cell) = self.cells(x.permute(2, 0, 1), (self.hidden, self.cell))
        self.carry("hidden", hidden)
        self.carry("cell", cell)
        return made.permute(1, 2, 0)


def _sinc_phases(up: int, down: int, crossings: int) -> tuple[np.ndarray, int]:
    """Sample a windowed sinc at the positions of the outputs of one step.

    Returns
    -------
    taps : np.ndarray [shape=(up, reach)]
        Weights of the inputs for each output; they sum to 1.
    before : int
        Inputs before the first one of the step.
    """
    narrow = min(1.0, up / down)  # lower one of the two rates, relative to the input's
    half = crossings / narrow
    places = np.arange(up) * down / up  # of the outputs, in samples of the input
    before, last = math.floor(half), math.floor(places[-1] + half)
    away = (np.arange(-before, last + 1) - places[:, None]) * narrow  # [up, reach], in crossings
    window = np.i0(KAISER_BETA * np.sqrt(np.maximum(1 - (away / crossings) ** 2, 0))) * (np.abs(away) < crossings)
    taps = np.sinc(away) * window
    return taps / taps.sum(axis=1, keepdims=True), before
