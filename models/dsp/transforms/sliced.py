"""The nonstationary Gabor transform of sounds of any length, a slice at a time, in constant memory.

A sound is cut into slices under Tukey windows that add up to 1, each half a slice after the one before, with silence at
both ends of each; and each slice is transformed by itself [1]_. There and back it is exact: the transform of a slice is
(`models.dsp.transforms.nsgt`), and the slices, under the dual windows, add up to the sound.

Why the coefficients are those of the whole sound. The transform is linear and the windows add up to 1, so the whole
sound's coefficients are the sum of those of all windowed slices, each transformed over all time. A slice is transformed
over its own length instead, with bands sampled from the same curves of frequency at fewer points; and fewer points in
frequency mean that time is wrapped: what the bands let ring beyond the slice comes in again at its other end. That is
all the difference there is. It is small once slices are long beside the ringing of the narrowest band, which lasts
about 2 / its width: `python -m tests.benchmarks nsgt` measures it.

.. [1] N. Holighaus, M. Dörfler, G. Velasco, T. Grill, "A framework for invertible, real-time constant-Q transforms",
   IEEE TASLP 21(4), 2013.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from export.format.mel_scale import Frequencies
from models.dsp.transforms.nsgt import NSGT
from models.dsp.transforms.stft import overlap_add
from models.dsp.transforms.transform import Transform, TransformError


class SlicedNSGT(Transform):
    """An `NSGT` of slices. Their coefficients lie one after the other along the frames.

    Parameters
    ----------
    edges, sample_rate, hop
        As `NSGT` takes them.
    slice_length
        Samples of a slice; taken up to a multiple of two hops.

    Attributes
    ----------
    slice_length, step : int
        Samples of a slice, and from one to the next.
    slice_frames : int
        Frames of a slice.
    bands : int
        Of each.

    Raises
    ------
    TransformError
        What `NSGT` refuses, or slices of less than eight hops.

    Examples
    --------
    >>> sliced = SlicedNSGT(octaves(110, 14080, 12), 48000, slice_length=32768)
    >>> for coefficients in sliced.analyse(blocks):  # complex [bands, slice_frames], from blocks of any length
    ...     ...
    """

    def __init__(
        self, edges: Frequencies, sample_rate: int, *, slice_length: int = 65_536, hop: int | None = None
    ) -> None:
        super().__init__()
        self.nsgt = NSGT(edges, sample_rate, hop=hop)
        self.hop, self.bands, self.centres = self.nsgt.hop, self.nsgt.bands, self.nsgt.centres
        self.slice_frames = 2 * -(-slice_length // (2 * self.hop))
        if self.slice_frames < 8:
            raise TransformError(
                f"Slices of {slice_length} samples are too short for a hop of {self.hop}; give {8 * self.hop} or more."
            )
        self.slice_length = self.slice_frames * self.hop
        self.step = self.slice_length // 2
        self.window = _tukey(self.slice_length)
        self.dual = self.window / (self.window**2 + self.window.roll(self.step) ** 2)

    def forward(self, audio: Tensor) -> Tensor:
        """[..., samples] → complex [..., bands, slices * slice_frames]."""
        length = audio.shape[-1]
        whole = (self.slices_of(length) + 1) * self.step
        around = F.pad(audio, (self.step, whole - self.step - length))
        slices = around.unfold(-1, self.slice_length, self.step) * self.window.to(audio)  # [..., slices, samples]
        return self.nsgt(slices).transpose(-2, -3).flatten(-2)

    def inverse(self, coefficients: Tensor, length: int) -> Tensor:
        """Complex [..., bands, slices * slice_frames] → [..., length].

        Raises
        ------
        TransformError
            The coefficients have another number of bands, or are those of a sound of another length.
        """
        length = self.check_length(coefficients.shape[-1], length)
        slices = self.nsgt.inverse(self.by_slice(coefficients), self.slice_length)  # [..., slices, samples]
        sound = overlap_add(slices * self.dual.to(slices), self.step)
        return sound[..., self.step :][..., :length]

    def analyse(self, blocks: Iterable[Tensor]) -> Iterator[Tensor]:
        """Transform a sound that comes in blocks of any length, each [..., samples].

        Yields
        ------
        Tensor [shape=(..., bands, slice_frames), complex]
            Slice after slice, as soon as its samples are there; all together what `forward` gives.
        """
        length, given = 0, 0
        open_: Tensor | None = None
        for block in blocks:
            length += block.shape[-1]
            open_ = F.pad(block, (self.step, 0)) if open_ is None else torch.cat([open_, block], dim=-1)
            while open_.shape[-1] >= self.slice_length:
                yield self._slice(open_)
                open_ = open_[..., self.step :]
                given += 1
        if open_ is None:
            return
        for _ in range(self.slices_of(length) - given):
            open_ = F.pad(open_, (0, max(self.slice_length - open_.shape[-1], 0)))
            yield self._slice(open_)
            open_ = open_[..., self.step :]

    def synthesise(self, slices: Iterable[Tensor]) -> Iterator[Tensor]:
        """Give audio back from slices as they come, each [..., bands, slice_frames].

        Yields
        ------
        Tensor [shape=(..., step)]
            The next samples, half a slice at a time. The last block may reach beyond the end of the sound.
        """
        open_: Tensor | None = None
        for coefficients in slices:
            made = self.nsgt.inverse(coefficients, self.slice_length)
            made = made * self.dual.to(made)
            if open_ is not None:  # before the first slice's middle there was no sound
                yield open_ + made[..., : self.step]
            open_ = made[..., self.step :]

    def joined(self, coefficients: Tensor, length: int) -> Tensor:
        """Add overlapping slices up to what the transform of the whole sound would give, nearly (see the module).

        Returns
        -------
        Tensor [shape=(..., bands, ceil(length / hop)), complex]
        """
        parts = self.by_slice(coefficients).transpose(-2, -3)  # [..., bands, slices, frames]
        total = overlap_add(parts, self.slice_frames // 2)
        return total[..., self.slice_frames // 2 :][..., : self.nsgt.frames_of(length)]

    def by_slice(self, coefficients: Tensor) -> Tensor:
        """[..., bands, slices * slice_frames] → [..., slices, bands, slice_frames]."""
        return coefficients.reshape(*coefficients.shape[:-1], -1, self.slice_frames).transpose(-2, -3)

    def slices_of(self, length: int) -> int:
        """Give the number of slices that a sound of `length` samples has."""
        return max(length - 1, 0) // self.step + 2

    def frames_of(self, length: int) -> int:
        """Those of all slices."""
        return self.slices_of(length) * self.slice_frames

    def length_of(self, frames: int) -> int:
        """From the middle of the first slice to that of the last."""
        return (frames // self.slice_frames - 1) * self.step

    def _slice(self, audio: Tensor) -> Tensor:
        taken = audio[..., : self.slice_length]
        coefficients: Tensor = self.nsgt(taken * self.window.to(taken))
        return coefficients


def _tukey(length: int) -> Tensor:
    """Tukey window over three quarters of `length`: with itself half of `length` later it adds up to 1."""
    away = (torch.arange(length, dtype=torch.float64) - length / 2).abs() / length  # of the middle, in slices
    fall = ((away - 1 / 8) / (1 / 4)).clamp(0, 1)
    return torch.cos(math.pi / 2 * fall) ** 2
