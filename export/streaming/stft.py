"""Short-time Fourier transform and its inverse, with overlap-add, streaming.

See `export.streaming.layer_base` for the properties that all layers share. Spectra are channels, as for a convolution:
for each audio channel the real parts of all bins, then the imaginary parts.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from export.format.card import Window
from export.streaming.fourier import RealFourier, table_columns
from export.streaming.layer_base import Layer, StreamingError, window_delay

MIN_WINDOW_SUM = 1e-3
"""Smallest sum of the squared windows, relative to its maximum, for which an inverse is accurate."""


class STFT(Layer):
    """Unnormalised short-time Fourier transform: [1, channels, samples] → [1, channels * 2 * bins, samples / hop].

    Parameters
    ----------
    n_fft, hop : int
        Length of a frame, and samples from frame to frame.
    window : {"hann", "sqrt_hann", "hamming", "blackman"}
        A periodic window.
    channels : int
        Audio channels.
    centred : bool
        Whether frame `m` is centred on sample `m * hop`, as in `torch.stft(center=True, pad_mode="constant")`.
        Otherwise it ends with the hop that completes it, and there is no delay.
    """

    past: Tensor
    window: Tensor

    def __init__(
        self, n_fft: int, hop: int, *, window: Window = "hann", channels: int = 1, centred: bool = True
    ) -> None:
        _check_hop(n_fft, hop)
        before = n_fft // 2 if centred else n_fft - hop
        delay, past = window_delay(n_fft, before, hop)
        super().__init__(takes=hop, delay=delay, inputs=channels, outputs=channels * 2 * (n_fft // 2 + 1))
        self.n_fft, self.hop, self.blocks = n_fft, hop, -(-past // hop) + 1
        self.first = (self.blocks - 1) * hop - past  # first sample of the window in the frame's blocks
        self.register_buffer("window", periodic(window, n_fft), persistent=False)
        self.fourier = RealFourier(n_fft) if table_columns(n_fft) else None
        if self.blocks > 1:
            self.add_cache("past", 1, channels, (self.blocks - 1) * hop)

    def offline(self, x: Tensor) -> Tensor:
        """Transform a signal with silence around it."""
        batch, channels, _ = x.shape
        before = x.new_zeros(batch, channels, (self.blocks - 1) * self.hop)
        after = x.new_zeros(batch, channels, self.delay * self.hop)
        return self._frames(torch.cat([before, x, after], dim=2))[:, :, self.delay :]

    def stream(self, x: Tensor) -> Tensor:
        """Transform the cache and the next chunk."""
        if self._kept:
            past = self.past.shape[2]
            x = torch.cat([self.past, x], dim=2)
            self.update_cache("past", x[:, :, x.shape[2] - past :])
        return self._frames(x)

    def _frames(self, x: Tensor) -> Tensor:
        """Cut [batch, channels, (frames + blocks - 1) * hop] into frames, and transform each."""
        batch, channels, _ = x.shape
        hops = x.reshape(batch, channels, -1, self.hop)
        later = self.blocks - 1
        laid = torch.cat([hops[:, :, k : k - later or None] for k in range(self.blocks)], dim=3)
        framed = laid[:, :, :, self.first : self.first + self.n_fft] * self.window  # [batch, channels, frames, n_fft]
        if self.streams and self.fourier is not None:
            return self.fourier(framed).transpose(2, 3).reshape(batch, self.outputs or 0, -1)
        spectrum = torch.view_as_real(torch.fft.rfft(framed))  # [batch, channels, frames, bins, 2]
        return spectrum.permute(0, 1, 4, 3, 2).reshape(batch, self.outputs or 0, -1)


class OverlapAdd(Layer):
    """Sum of overlapping frames: [1, channels * size, frames] → [1, channels, frames * hop].

    Parameters
    ----------
    size, hop : int
        Length of a frame, and samples from frame to frame.
    channels : int
        Audio channels.
    padding : int
        Samples cut off at the beginning, 0 to `size - hop`; the stream is delayed by as much.
    """

    overlap: Tensor

    def __init__(self, size: int, hop: int, *, channels: int = 1, padding: int = 0) -> None:
        _check_hop(size, hop)
        if not 0 <= padding <= size - hop:
            raise StreamingError(f"The padding must be 0 to {size - hop} samples for these frames, not {padding}.")
        super().__init__(gives=hop, delay=padding, inputs=channels * size, outputs=channels)
        self.size, self.hop, self.channels, self.padding = size, hop, channels, padding
        self.blocks = -(-size // hop)
        if self.blocks > 1:
            self.add_cache("overlap", 1, channels, hop, self.blocks - 1)

    def offline(self, x: Tensor) -> Tensor:
        """Sum the frames of a whole signal, and cut `padding` samples off at the beginning."""
        return _interleave(self._sum(x))[:, :, self.padding : self.padding + x.shape[2] * self.hop]

    def stream(self, x: Tensor) -> Tensor:
        """Sum the next frames and the cached overlap, and cache the new overlap."""
        total, count = self._sum(x), x.shape[2]
        if self._kept:
            late = self.blocks - 1
            total = torch.cat([total[:, :, :, :late] + self.overlap, total[:, :, :, late:]], dim=3)
            self.update_cache("overlap", total[:, :, :, count:])
        return _interleave(total[:, :, :, :count])

    def _sum(self, x: Tensor) -> Tensor:
        """Sum overlapping frames: [batch, channels, hop, frames + blocks - 1]."""
        batch, _, count = x.shape
        frames = x.reshape(batch, self.channels, self.size, count)
        frames = nn.functional.pad(frames, (0, 0, 0, self.blocks * self.hop - self.size))
        total: Tensor | None = None
        for k in range(self.blocks):
            part = frames[:, :, k * self.hop : (k + 1) * self.hop]
            part = nn.functional.pad(part, (k, self.blocks - 1 - k))
            total = part if total is None else total + part
        assert total is not None
        return total


class ISTFT(Layer):
    """Inverse of `STFT` by windowed overlap-add: [1, channels * 2 * bins, frames] → [1, channels, frames * hop].

    The result is divided by the sum of the squared windows of a running stream. At the ends of a whole signal, where
    fewer frames overlap, it fades with the window.

    Parameters
    ----------
    n_fft, hop, window, channels, centred
        As of `STFT`. If centred, the delay is half a frame; with its STFT it is `n_fft - hop`, where the hop divides
        half a frame.

    Raises
    ------
    StreamingError
        The windows leave gaps at this hop.

    References
    ----------
    D. W. Griffin and J. S. Lim, "Signal estimation from modified short-time Fourier transform", IEEE Transactions on
    Acoustics, Speech, and Signal Processing 32(2), 1984, equation 6.
    """

    synthesis: Tensor
    mirror: Tensor
    sign: Tensor

    def __init__(
        self, n_fft: int, hop: int, *, window: Window = "hann", channels: int = 1, centred: bool = True
    ) -> None:
        _check_hop(n_fft, hop)
        bins = n_fft // 2 + 1
        padding = n_fft // 2 if centred else 0
        if padding > n_fft - hop:
            raise StreamingError(f"A centred inverse needs frames of at least two hops; {n_fft} samples are fewer.")
        super().__init__(gives=hop, delay=padding, inputs=channels * 2 * bins, outputs=channels)
        self.n_fft, self.bins, self.channels = n_fft, bins, channels
        shape = periodic(window, n_fft)
        sums = torch.zeros(hop).index_add_(0, torch.arange(n_fft) % hop, shape**2)
        if float(sums.min()) < MIN_WINDOW_SUM * float(sums.max()):
            raise StreamingError(
                f"{window} windows of {n_fft} samples leave gaps at a hop of {hop}; use a smaller hop."
            )
        upper = torch.arange(bins, n_fft)
        self.register_buffer("synthesis", shape / sums[torch.arange(n_fft) % hop], persistent=False)
        self.register_buffer("mirror", torch.cat([torch.arange(bins), n_fft - upper]), persistent=False)
        self.register_buffer("sign", torch.cat([torch.ones(bins), -torch.ones(len(upper))]), persistent=False)
        self.add = OverlapAdd(n_fft, hop, channels=channels, padding=padding)

    def offline(self, x: Tensor) -> Tensor:
        """Convert all frames to audio."""
        made: Tensor = self.add(self._frames(x))
        return made

    def stream(self, x: Tensor) -> Tensor:
        """Convert the next frames to audio."""
        return self.offline(x)

    def _frames(self, x: Tensor) -> Tensor:
        """Invert and window each frame: [batch, channels * n_fft, frames]. The upper bins mirror the lower ones."""
        batch, _, count = x.shape
        parts = x.reshape(batch, self.channels, 2, self.bins, count).permute(2, 0, 1, 4, 3)
        real = parts[0].index_select(3, self.mirror)  # [batch, channels, frames, n_fft]
        imaginary = parts[1].index_select(3, self.mirror) * self.sign
        frames = torch.view_as_real(torch.fft.ifft(torch.complex(real, imaginary)))[..., 0] * self.synthesis
        return frames.transpose(2, 3).reshape(batch, self.channels * self.n_fft, count)


def periodic(window: Window, size: int) -> Tensor:
    """Make a periodic window, a Tensor [shape=(size,)]."""
    if window == "sqrt_hann":
        return torch.sqrt(torch.hann_window(size, periodic=True))
    make = {"hann": torch.hann_window, "hamming": torch.hamming_window, "blackman": torch.blackman_window}
    made: Tensor = make[window](size, periodic=True)
    return made


def _interleave(blocks: Tensor) -> Tensor:
    """[batch, channels, hop, frames] → [batch, channels, frames * hop]."""
    batch, channels, hop, count = blocks.shape
    return blocks.transpose(2, 3).reshape(batch, channels, count * hop)


def _check_hop(size: int, hop: int) -> None:
    if not 1 <= hop <= size:
        raise StreamingError(f"The hop must be 1 to {size} samples, at most the length of a frame, not {hop}.")
