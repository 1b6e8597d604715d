"""2-D convolutions over spectrograms that stream, with strides over frequency and time.

They work on spectrograms in the layout `[batch, channels, frames, rows]`. The frames are a stream (see
`export.streaming.layer_base`), and the rows of a frame, its frequencies, are contiguous. The stage makes one frame a
step, and most of such a step is copying: in this layout the caches and the new frames are copied in long runs, and a
kernel is applied to a whole row at once. `SplitRows` and `MergeRows` convert from `[batch, channels * rows, frames]`
and back.

Over the rows a layer is centred, with zeros as padding; over the frames it looks back only, so there is no delay, and a
stride of two takes two frames a step. Arguments and weights have the rows first.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.streaming.layer_base import Layer, StreamingError


class SplitRows(Layer):
    """[batch, channels * rows, frames] → [batch, channels, frames, rows]."""

    def __init__(self, channels: int, rows: int) -> None:
        super().__init__(inputs=channels * rows, outputs=channels)
        self.channels, self.rows = channels, rows

    def offline(self, x: Tensor) -> Tensor:
        """Change the layout."""
        return x.reshape(x.shape[0], self.channels, self.rows, -1).transpose(2, 3)

    def stream(self, x: Tensor) -> Tensor:
        """Change the layout."""
        return self.offline(x)


class MergeRows(Layer):
    """[batch, channels, frames, rows] → [batch, channels * rows, frames]."""

    def __init__(self, channels: int, rows: int) -> None:
        super().__init__(inputs=channels, outputs=channels * rows)

    def offline(self, x: Tensor) -> Tensor:
        """Change the layout."""
        return x.transpose(2, 3).flatten(1, 2)

    def stream(self, x: Tensor) -> Tensor:
        """Change the layout."""
        return self.offline(x)


class CausalConv2d(Layer):
    """A convolution over rows and frames: [batch, inputs, frames, rows] → [batch, outputs, frames / stride, rows'].

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    rows : int
        Rows of the input, a multiple of their stride. The output has `rows / stride`.
    kernel, stride, dilation : tuple of int
        Over rows and over frames.
    bias, groups
        As of `torch.nn.Conv2d`.

    Raises
    ------
    StreamingError
        The rows are not a multiple of the stride, or the kernel is shorter than the stride.
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
                f"A kernel of {kernel} with a stride of {stride} doesn't fit {rows} rows: the rows must be a multiple "
                "of the stride, and the kernel at least as long as the stride."
            )
        super().__init__(takes=stride[1], inputs=inputs, outputs=outputs)
        around = dilation[0] * (kernel[0] - 1) + 1 - stride[0]
        self.above = (around // 2, around - around // 2)
        self.before = dilation[1] * (kernel[1] - 1) + 1 - stride[1]
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, dilation=dilation, groups=groups, bias=bias)
        if self.before:
            self.add_cache("past", 1, inputs, self.before, rows)

    def offline(self, x: Tensor) -> Tensor:
        """Convolve a spectrogram with silence before it."""
        return self._convolve(F.pad(x, (0, 0, self.before, 0)))

    def stream(self, x: Tensor) -> Tensor:
        """Convolve the cache and the next frames."""
        if self._kept:
            x = torch.cat([self.past, x], dim=2)
            self.update_cache("past", x[:, :, -self.before :])
        return self._convolve(x)

    def _convolve(self, x: Tensor) -> Tensor:
        conv = self.conv
        return F.conv2d(
            F.pad(x, self.above),
            conv.weight.transpose(2, 3),
            conv.bias,
            stride=conv.stride[::-1],
            dilation=conv.dilation[::-1],
            groups=conv.groups,
        )


class ConvTranspose2d(Layer):
    """A transposed convolution with `stride` output rows and frames for each of the input.

    In a stream an ordinary convolution takes its place, which computes the rows and frames in between as channels. It
    caches a few frames of the input, and there is no overlap to add. The output differs by rounding only.

    Parameters
    ----------
    inputs, outputs, rows, kernel, stride, bias
        As of `CausalConv2d`. The output has `rows * stride` rows.

    Raises
    ------
    StreamingError
        The kernel is shorter than the stride.
    """

    past: Tensor

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
        super().__init__(gives=stride[1], inputs=inputs, outputs=outputs)
        self.high = rows * stride[0]
        self.cut = (kernel[0] - stride[0]) // 2  # rows beyond the lowest one
        self.before = -(-kernel[1] // stride[1]) - 1  # input frames that reach into the next frame
        self.conv = nn.ConvTranspose2d(inputs, outputs, kernel, stride=stride, bias=bias)
        if self.before:
            self.add_cache("past", 1, inputs, self.before, rows)

    def offline(self, x: Tensor) -> Tensor:
        """Convolve a spectrogram, with `stride` frames for each."""
        conv, frames = self.conv, x.shape[2] * self.gives
        made = F.conv_transpose2d(x, conv.weight.transpose(2, 3), conv.bias, stride=conv.stride[::-1])
        return made[:, :, :frames, self.cut : self.cut + self.high]

    def stream(self, x: Tensor) -> Tensor:
        """Convolve the cache and the next frames, and interleave the frames and rows in between."""
        frames = x.shape[2] * self.gives
        if self._kept:
            x = torch.cat([self.past, x], dim=2)
            self.update_cache("past", x[:, :, -self.before :])
        (high, wide), kernel = self.conv.stride, self._kernel()
        above = -(-self.cut // high)  # input rows above the current one
        bias = None if self.conv.bias is None else self.conv.bias.repeat_interleave(wide * high)
        made = F.conv2d(F.pad(x, (kernel.shape[3] - 1 - above, above)), kernel, bias)
        parts = made.reshape(1, -1, wide, high, *made.shape[2:]).permute(0, 1, 4, 2, 5, 3)
        return parts.reshape(1, -1, frames, self.high)

    def _kernel(self) -> Tensor:
        """Return the kernel of the ordinary convolution: [outputs * wide * high, inputs, frames, rows]."""
        (high, wide), (tall, long) = self.conv.stride, self.conv.kernel_size
        first = -self.cut % high  # output rows above the kernel's first
        frames, rows = self.before + 1, -(-(first + tall) // high)
        around = (0, frames * wide - long, first, rows * high - first - tall)
        parts = F.pad(self.conv.weight, around).reshape(*self.conv.weight.shape[:2], rows, high, frames, wide)
        return parts.flip(2, 4).permute(1, 5, 3, 0, 4, 2).flatten(0, 2)
