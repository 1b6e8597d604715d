"""Convolutions over time that stream.

See `export.streaming.layer_base` for the properties that all layers share. Each layer contains the torch module of the
same kind, so existing weights can be loaded into it, and weight norm can be applied.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.streaming.layer_base import Layer, StreamingError, window_delay


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
            self.add_cache("past", 1, inputs, past)

    def offline(self, x: Tensor) -> Tensor:
        """Convolve a signal with zeros around it."""
        made: Tensor = self.conv(F.pad(x, (self.before, self.after)))
        return made

    def stream(self, x: Tensor) -> Tensor:
        """Convolve the cache and the next chunk."""
        if self._kept:
            past = self.past.shape[2]
            x = torch.cat([self.past, x], dim=2)
            self.update_cache("past", x[:, :, x.shape[2] - past :])
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
            self.add_cache("overlap", 1, outputs, self.longer)

    def offline(self, x: Tensor) -> Tensor:
        """Convolve a signal, and cut `padding` samples off at the beginning."""
        return self._biased(self._spread(x)[:, :, self.padding : self.padding + x.shape[2] * self.stride])

    def stream(self, x: Tensor) -> Tensor:
        """Convolve the next chunk, add the cached overlap, and cache the new one."""
        made, length = self._spread(x), x.shape[2] * self.stride
        if self._kept:
            made = torch.cat([made[:, :, : self.longer] + self.overlap, made[:, :, self.longer :]], dim=2)
            self.update_cache("overlap", made[:, :, length:])
        return self._biased(made[:, :, :length])

    def _spread(self, x: Tensor) -> Tensor:
        """Convolve without the bias, which must not be added twice where chunks overlap."""
        made = F.conv_transpose1d(x, self.conv.weight, None, self.stride, groups=self.conv.groups)
        return F.pad(made, (0, -self.longer)) if self.longer < 0 else made

    def _biased(self, x: Tensor) -> Tensor:
        return x if self.conv.bias is None else x + self.conv.bias[:, None]
