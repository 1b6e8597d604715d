"""The sliced nonstationary Gabor transform, for sounds of any length in constant memory.

A sound is cut into slices under Tukey windows that sum to 1, half a slice apart, with silence at both ends of each, and
every slice is transformed separately [1]_. Reconstruction is exact: the transform of a slice is
(`models.dsp.transforms.nsgt`), and the slices under the dual windows sum to the sound.

The coefficients approximate those of the whole sound. The transform is linear and the windows sum to 1, so the
coefficients of the sound are the sum of those of all windowed slices, each transformed over all time. Transforming a
slice over its own length instead samples the bands at fewer frequencies, which wraps time: ringing beyond the slice
re-enters at its other end. The error is small if slices are long compared with the ringing of the narrowest band, about
2 / its width; `python -m tests.benchmarks nsgt` measures it.

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
from models.dsp.transforms.transform_base import Transform, TransformError


class SlicedNSGT(Transform):
    """An `NSGT` of slices, whose coefficients are concatenated along the frames.

    Parameters
    ----------
    edges, sample_rate, hop
        As in `NSGT`.
    slice_length
        Samples of a slice, rounded up to a multiple of two hops.

    Attributes
    ----------
    slice_length, step : int
        Samples of a slice, and distance between slices.
    slice_frames : int
        Frames of a slice.
    bands : int
        Number of bands.

    Raises
    ------
    TransformError
        Settings that `NSGT` refuses, or slices of less than eight hops.

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
        """Reconstruct the audio of coefficients.

        Parameters
        ----------
        coefficients : Tensor [shape=(..., bands, slices * slice_frames)]
            Complex.
        length
            Samples of the audio.

        Returns
        -------
        audio : Tensor [shape=(..., length)]

        Raises
        ------
        TransformError
            Wrong number of bands, or of frames for this length.
        """
        length = self.check_length(coefficients.shape[-1], length)
        slices = self.nsgt.inverse(self.by_slice(coefficients), self.slice_length)  # [..., slices, samples]
        sound = overlap_add(slices * self.dual.to(slices), self.step)
        return sound[..., self.step :][..., :length]

    def analyse(self, blocks: Iterable[Tensor]) -> Iterator[Tensor]:
        """Transform a sound given in blocks of any length, each [..., samples].

        Yields
        ------
        Tensor [shape=(..., bands, slice_frames), complex]
            Slice after slice, as soon as its samples are complete; together the result of `forward`.
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
        """Synthesise audio from slices, each [..., bands, slice_frames].

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
        """Overlap-add slices to approximate the transform of the whole sound (see the module).

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
        """Return the number of slices of `length` samples."""
        return max(length - 1, 0) // self.step + 2

    def frames_of(self, length: int) -> int:
        """Return the number of frames of all slices."""
        return self.slices_of(length) * self.slice_frames

    def length_of(self, frames: int) -> int:
        """Return the length from the centre of the first slice to that of the last."""
        return (frames // self.slice_frames - 1) * self.step

    def _slice(self, audio: Tensor) -> Tensor:
        taken = audio[..., : self.slice_length]
        coefficients: Tensor = self.nsgt(taken * self.window.to(taken))
        return coefficients


def _tukey(length: int) -> Tensor:
    """Tukey window over three quarters of `length`; it sums to 1 with itself shifted by half of `length`."""
    away = (torch.arange(length, dtype=torch.float64) - length / 2).abs() / length  # of the middle, in slices
    fall = ((away - 1 / 8) / (1 / 4)).clamp(0, 1)
    return torch.cos(math.pi / 2 * fall) ** 2
