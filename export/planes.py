"""Convolutions over spectrograms that stream: over frequency and time at once, strided in both where asked.

A spectrogram streams as any signal does, see `export.streaming`: `[batch, channels * rows, frames]`, where a channel's
rows, the frequencies, lie together. Over the rows a layer looks to both sides, with zeros around; over the frames it
looks back only, so nothing waits, and a stride of two takes two frames at a time.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.streaming import Layer, StreamingError


class CausalConv2d(Layer):
    """A convolution over rows and frames: [batch, inputs * rows, frames] → [batch, outputs * rows', frames / stride].

    Parameters
    ----------
    inputs, outputs
        Channels.
    rows
        Of each channel that goes in; a multiple of their stride.
    kernel, stride, dilation
        Over rows and over frames. There are `rows / stride` rows that come out.
    bias, groups
        As `torch.nn.Conv2d` has them.

    Raises
    ------
    StreamingError
        The rows are no multiple of the stride, or the kernel is shorter than it.
    """

    past: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        rows: int,
        kernel: tuple[int, int],
        *,
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        if rows % stride[0] or kernel[0] < stride[0] or kernel[1] < stride[1]:
            raise StreamingError(
                f"A kernel of {kernel} with a stride of {stride} doesn't fit {rows} rows: they must be a multiple of "
                "the stride, and the kernel at least as long as it."
            )
        super().__init__(takes=stride[1], inputs=inputs * rows, outputs=outputs * rows // stride[0])
        around = dilation[0] * (kernel[0] - 1) + 1 - stride[0]
        self.channels, self.rows = inputs, rows
        self.above = (around // 2, around - around // 2)
        self.before = dilation[1] * (kernel[1] - 1) + 1 - stride[1]
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, dilation=dilation, groups=groups, bias=bias)
        if self.before:
            self.keep("past", 1, inputs * rows, self.before)

    def offline(self, x: Tensor) -> Tensor:
        """Convolve a spectrogram with silence before it."""
        return self._convolve(F.pad(x, (self.before, 0)))

    def stream(self, x: Tensor) -> Tensor:
        """Convolve what is kept and the next frames."""
        if self._kept:
            x = torch.cat([self.past, x], dim=2)
            self.carry("past", x[:, :, x.shape[2] - self.before :])
        return self._convolve(x)

    def _convolve(self, x: Tensor) -> Tensor:
        plane = F.pad(x.unflatten(1, (self.channels, self.rows)), (0, 0, *self.above))  # type: ignore[no-untyped-call]
        made: Tensor = self.conv(plane)
        return made.flatten(1, 2)


class ConvTranspose2d(Layer):
    """A transposed convolution that gives `stride` rows and frames for each; the frames that overlap are kept.

    Parameters
    ----------
    inputs, outputs, rows, kernel, stride, bias
        As of `CausalConv2d`; there are `rows * stride` rows that come out.

    Raises
    ------
    StreamingError
        The kernel is shorter than the stride.
    """

    overlap: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        rows: int,
        kernel: tuple[int, int],
        *,
        stride: tuple[int, int],
        bias: bool = True,
    ) -> None:
        if kernel[0] < stride[0] or kernel[1] < stride[1]:
            raise StreamingError(f"The kernel {kernel} must be at least as long as the stride {stride}.")
        super().__init__(gives=stride[1], inputs=inputs * rows, outputs=outputs * rows * stride[0])
        self.channels, self.rows, self.pace = inputs, rows, stride[1]
        self.high, self.longer = rows * stride[0], kernel[1] - stride[1]
        self.cut = (kernel[0] - stride[0]) // 2  # rows that reach beyond the lowest
        self.conv = nn.ConvTranspose2d(inputs, outputs, kernel, stride=stride, bias=bias)
        if self.longer:
            self.keep("overlap", 1, outputs * self.high, self.longer)

    def offline(self, x: Tensor) -> Tensor:
        """Give `stride` frames for each, from the first on."""
        return self._biased(self._spread(x)[:, :, : x.shape[2] * self.pace])

    def stream(self, x: Tensor) -> Tensor:
        """Add what is kept to what the next frames spread to, and keep what reaches beyond them."""
        made, length = self._spread(x), x.shape[2] * self.pace
        if self._kept:
            made = torch.cat([made[:, :, : self.longer] + self.overlap, made[:, :, self.longer :]], dim=2)
            self.carry("overlap", made[:, :, length:])
        return self._biased(made[:, :, :length])

    def _spread(self, x: Tensor) -> Tensor:
        """Convolve without the bias, which must not be added twice where portions overlap."""
        plane = x.unflatten(1, (self.channels, self.rows))  # type: ignore[no-untyped-call]
        made = F.conv_transpose2d(plane, self.conv.weight, None, self.conv.stride)
        return made[:, :, self.cut : self.cut + self.high].flatten(1, 2)

    def _biased(self, x: Tensor) -> Tensor:
        if self.conv.bias is None:
            return x
        return x + self.conv.bias.repeat_interleave(self.high)[:, None]
