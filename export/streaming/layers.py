"""Convolutions, resampling and recurrent cells that stream.

See `export.streaming.stack` for what all layers share. Each holds the torch module of the same kind, so weights from
elsewhere can be loaded into it, and weight norm be put around it.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.streaming.layer import Layer, StreamingError, window_delay

ZERO_CROSSINGS = 16
"""Zero crossings of the resampling filter's sinc, to each side."""

KAISER_BETA = 9.0
"""Of the resampling filter's window: what is folded back stays 90 dB below."""


class Conv1d(Layer):
    """A convolution that looks to both sides; its stream waits for what it looks ahead to.

    Parameters
    ----------
    inputs, outputs, kernel, stride, dilation, groups, bias
        As `torch.nn.Conv1d` has them.
    padding : int, optional
        Zeros before the signal, at least 0 and fewer than the kernel reaches over. Without it, the kernel's middle.
        Behind the signal there are as many as the last output needs: a stride of `s` gives one output for `s` samples.
    padding_mode
        `zeros`; a stream knows no other.

    Raises
    ------
    StreamingError
        The padding doesn't fit the kernel, or is of another mode.
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
                f"A convolution cannot stream with {padding_mode} padding, which is made of what lies inside a "
                "border, and a stream has none; use zeros."
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
        """Convolve what is kept and the next portion."""
        if self._kept:
            past = self.past.shape[2]
            x = torch.cat([self.past, x], dim=2)
            self.carry("past", x[:, :, x.shape[2] - past :])
        made: Tensor = self.conv(x)
        return made


class CausalConv1d(Conv1d):
    """A convolution that looks back only: an output sees no further than the last sample of its stride."""

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
    """A transposed convolution that gives `stride` samples for each that goes in; what overlaps is kept.

    Parameters
    ----------
    inputs, outputs, kernel, stride, groups, bias
        As `torch.nn.ConvTranspose1d` has them.
    padding
        Samples cut off before the signal, 0 to `kernel - stride`: 0 is causal, and half of that is centred. The stream
        cannot know them beforehand, so it is as late.

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
        """Give `stride` samples for each, from `padding` on."""
        return self._biased(self._spread(x)[:, :, self.padding : self.padding + x.shape[2] * self.stride])

    def stream(self, x: Tensor) -> Tensor:
        """Add what is kept to what the next portion spreads to, and keep what reaches beyond it."""
        made, length = self._spread(x), x.shape[2] * self.stride
        if self._kept:
            made = torch.cat([made[:, :, : self.longer] + self.overlap, made[:, :, self.longer :]], dim=2)
            self.carry("overlap", made[:, :, length:])
        return self._biased(made[:, :, :length])

    def _spread(self, x: Tensor) -> Tensor:
        """Convolve without the bias, which must not be added twice where portions overlap."""
        made = F.conv_transpose1d(x, self.conv.weight, None, self.stride, groups=self.conv.groups)
        return F.pad(made, (0, -self.longer)) if self.longer < 0 else made

    def _biased(self, x: Tensor) -> Tensor:
        return x if self.conv.bias is None else x + self.conv.bias[:, None]


class Resample(Layer):
    """From one sample rate to another, by `up / down`: a windowed sinc for each phase (Smith, "Digital Audio
    Resampling", CCRMA 2002).

    Parameters
    ----------
    channels
        How many; each is resampled by itself.
    up, down
        Samples that come out, for so many that go in; brought to lowest terms.
    crossings
        Zero crossings of the sinc, to each side: more are steeper, and later.
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
        """Resample a signal with silence around it, without a delay."""
        return self._filter(F.pad(x, (self.before, self.after)))

    def stream(self, x: Tensor) -> Tensor:
        """Resample what is kept and the next portion."""
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
    """Gated recurrent units: [batch, inputs, samples] → [batch, outputs, samples]; a whole signal begins at zeros."""

    hidden: Tensor

    def __init__(self, inputs: int, outputs: int, *, layers: int = 1) -> None:
        super().__init__(inputs=inputs, outputs=outputs)
        self.cells = nn.GRU(inputs, outputs, layers)
        self.keep("hidden", layers, 1, outputs)

    def offline(self, x: Tensor) -> Tensor:
        """Run over a whole signal."""
        made, _ = self.cells(x.permute(2, 0, 1))  # [samples, batch, outputs]
        return made.permute(1, 2, 0)

    def stream(self, x: Tensor) -> Tensor:
        """Go on from the hidden state."""
        made, hidden = self.cells(x.permute(2, 0, 1), self.hidden)
        self.carry("hidden", hidden)
        return made.permute(1, 2, 0)


class LSTM(Layer):
    """Long short-term memory: [batch, inputs, samples] → [batch, outputs, samples]; a whole signal begins at zeros."""

    hidden: Tensor
    cell: Tensor

    def __init__(self, inputs: int, outputs: int, *, layers: int = 1) -> None:
        super().__init__(inputs=inputs, outputs=outputs)
        self.cells = nn.LSTM(inputs, outputs, layers)
        self.keep("hidden", layers, 1, outputs)
        self.keep("cell", layers, 1, outputs)

    def offline(self, x: Tensor) -> Tensor:
        """Run over a whole signal."""
        made, _ = self.cells(x.permute(2, 0, 1))  # [samples, batch, outputs]
        return made.permute(1, 2, 0)

    def stream(self, x: Tensor) -> Tensor:
        """Go on from the hidden state and the cell."""
        made, (hidden, cell) = self.cells(x.permute(2, 0, 1), (self.hidden, self.cell))
        self.carry("hidden", hidden)
        self.carry("cell", cell)
        return made.permute(1, 2, 0)


def _sinc_phases(up: int, down: int, crossings: int) -> tuple[np.ndarray, int]:
    """Sample a windowed sinc at the places that the outputs of one step lie at.

    Returns
    -------
    taps : np.ndarray [shape=(up, reach)]
        Weights of the inputs for each output; they sum to 1.
    before : int
        How many inputs they begin ahead of the step's first.
    """
    narrow = min(1.0, up / down)  # the lower of both rates, in the input's
    half = crossings / narrow
    places = np.arange(up) * down / up  # of the outputs, in samples of the input
    before, last = math.floor(half), math.floor(places[-1] + half)
    away = (np.arange(-before, last + 1) - places[:, None]) * narrow  # [up, reach], in crossings
    window = np.i0(KAISER_BETA * np.sqrt(np.maximum(1 - (away / crossings) ** 2, 0))) * (np.abs(away) < crossings)
    taps = np.sinc(away) * window
    return taps / taps.sum(axis=1, keepdims=True), before
