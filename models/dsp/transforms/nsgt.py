r"""The nonstationary Gabor transform: bands of any width, each with its analytic signal, and back exactly.

A band is a window over the spectrum, a raised cosine that rises from the frequency of the band below to its own and
falls to that of the band above. Its output, sampled every `hop` samples without a shift in frequency, gives the
coefficients:

    c[k, n] = 2 / hop · 1 / frames · Σ_j X[j] g_k(f_j) e^{2πi j n / frames},

X being the spectrum of the sound, as long as a whole number of hops, and g_k(f_j) the window at bin j. So c[k, n] is
the band's analytic signal at sample n · hop: a sine of amplitude 1 at a band's own frequency has the magnitude 1 there.
The lowest band is centred on 0 Hz and has no analytic signal; it extends below 0, and its coefficients are real.

As long as no band is wider than the rate of its coefficients (the painless case) the bins of a band fall on as many
places, modulo `frames`, without ever falling on each other, and the transform's frame operator is diagonal: it
multiplies bin j by Σ_k g_k(f_j)². Dividing the windows by that gives the canonical dual, and with it the inverse
[1]_ [2]_.

.. [1] P. Balazs, M. Dörfler, F. Jaillet, N. Holighaus, G. Velasco, "Theory, implementation and applications of
   nonstationary Gabor frames", Journal of Computational and Applied Mathematics 236(6), 2011.
.. [2] G. Velasco, N. Holighaus, M. Dörfler, T. Grill, "Constructing an invertible constant-Q transform with
   nonstationary Gabor frames", DAFx 2011.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from export.format.mel_scale import Frequencies
from models.dsp.transforms.transform_base import Transform, TransformError


class NSGT(Transform):
    """Nonstationary Gabor transform: bands along a frequency scale, and one more below and above them.

    The sound is treated as periodic: ringing after its end appears at its start. Append silence if that matters.

    Parameters
    ----------
    edges : np.ndarray [shape=(bands + 2,)]
        Rising frequencies from `models.dsp.transforms.frequency_scales`, Hz: those of the bands, and one beyond on
        either side. Edges above half the sample rate are dropped.
    sample_rate
        Of the audio, Hz.
    hop
        Samples between coefficients of a band. Default: as many as the widest band allows.

    Attributes
    ----------
    bands : int
        Number of rows, the lowest and the highest included.
    centres : np.ndarray [shape=(bands,)]
        Frequency of each, Hz.

    Raises
    ------
    TransformError
        The edges don't rise, there are fewer than three below half the sample rate, or the hop is too long.

    See Also
    --------
    models.dsp.transforms.sliced_nsgt.SlicedNSGT : For sounds of any length, slice by slice.

    Examples
    --------
    >>> nsgt = NSGT(octaves(55, 14080, 12), 48000)
    >>> coefficients = nsgt(audio)  # complex [..., bands, frames]
    >>> torch.dist(nsgt.inverse(coefficients, audio.shape[-1]), audio)  # rounding alone
    """

    def __init__(self, edges: Frequencies, sample_rate: int, *, hop: int | None = None) -> None:
        super().__init__()
        nyquist = sample_rate / 2
        edges = np.asarray(edges, np.float64)
        if edges.ndim != 1 or not np.isfinite(edges).all() or (edges < 0).any() or (np.diff(edges) <= 0).any():
            raise TransformError("The edges of a transform's bands must be one row of rising frequencies from 0 Hz.")
        inside = edges[edges < nyquist]
        edges = inside if len(inside) == len(edges) else np.append(inside, nyquist)
        if len(edges) < 3:
            raise TransformError(f"A band needs three edges up to {nyquist:g} Hz, and there are {len(edges)}.")
        widest = max(2 * edges[1], float((edges[2:] - edges[:-2]).max()), nyquist - edges[-2])
        most = int(sample_rate / widest)
        if hop is not None and not 1 <= hop <= most:
            raise TransformError(
                f"The hop is {hop} samples; the widest band has {widest:.0f} Hz, so it can be 1 to {most}."
            )
        self.sample_rate, self.hop = sample_rate, hop or most
        self.centres = np.concatenate([[0.0], edges[1:-1], [nyquist]])
        self.bands = len(self.centres)
        # Corners of each window, Hz: it rises from the first to the second, and falls from the third to the last
        self._corners = np.stack(
            [
                np.append(-edges[1], edges[:-1]),
                np.append(-edges[0], edges[1:]),
                np.append(edges[:-1], 3 * nyquist),
                np.append(edges[1:], 4 * nyquist),
            ]
        )
        self._last: _Layout | None = None

    def forward(self, audio: Tensor) -> Tensor:
        """[..., samples] → complex [..., bands, frames]."""
        frames = self.frames_of(audio.shape[-1])
        layout = self._layout(frames, audio)
        spectrum = torch.fft.rfft(F.pad(audio, (0, frames * self.hop - audio.shape[-1])))  # [..., bins]
        taken = spectrum[..., layout.bins]  # [..., bands, frames]
        lowest = torch.where(layout.below_zero, taken[..., :1, :].conj(), taken[..., :1, :])
        taken = torch.cat([lowest, taken[..., 1:, :]], dim=-2)
        return torch.fft.ifft(taken * layout.windows)

    def inverse(self, coefficients: Tensor, length: int) -> Tensor:
        """Reconstruct the audio of coefficients.

        Parameters
        ----------
        coefficients : Tensor [shape=(..., bands, frames)]
            Complex.
        length
            Samples of the audio.

        Returns
        -------
        audio : Tensor [shape=(..., length)]

        Raises
        ------
        TransformError
            The coefficients have another number of bands, or are those of a sound of another length.
        """
        *batch, bands, frames = coefficients.shape
        if bands != self.bands:
            raise TransformError(f"The coefficients have {bands} bands, and the transform has {self.bands}.")
        length = self.check_length(frames, length)
        layout = self._layout(frames, coefficients.real)
        lowest = coefficients[..., :1, :].real.to(coefficients.dtype)
        coefficients = torch.cat([lowest, coefficients[..., 1:, :]], dim=-2)
        passed = torch.fft.fft(coefficients) * layout.duals  # [..., bands, frames]
        samples = frames * self.hop
        spectrum = coefficients.new_zeros(*batch, samples // 2 + 1)
        spectrum = spectrum.index_add(-1, layout.bins.flatten(), passed.flatten(-2))
        return torch.fft.irfft(spectrum, samples)[..., :length]

    def frames_of(self, length: int) -> int:
        """Return the number of hops, partial ones included, at least one."""
        return max(-(-length // self.hop), 1)

    def length_of(self, frames: int) -> int:
        """Return the length of whole hops."""
        return frames * self.hop

    def windows_at(self, hz: Frequencies) -> Frequencies:
        """Return the window of each band at frequencies: [..., frequencies] → [bands, frequencies]."""
        begin, risen, falls, end = self._corners[:, :, None]
        up = np.clip((hz - begin) / (risen - begin), 0, 1)
        down = np.clip((hz - falls) / (end - falls), 0, 1)
        return np.asarray((np.sin(math.pi / 2 * up) * np.cos(math.pi / 2 * down)) ** 2)

    def _layout(self, frames: int, like: Tensor) -> _Layout:
        """Return the layout of bins for a number of frames and a tensor's dtype and device; the last one is cached."""
        last = self._last
        kept = None if last is None else (last.bins.shape[1], last.windows.device, last.windows.dtype)
        if last is None or kept != (frames, like.device, like.dtype):
            step = self.sample_rate / (frames * self.hop)  # Hz from bin to bin
            count = frames * self.hop // 2 + 1
            first = np.floor(self._corners[0] / step).astype(np.int64)[:, None] + 1
            bins = first + (np.arange(frames) - first) % frames  # of the bins from `first` on, that which falls there
            windows = np.where(bins < count, self.windows_at(bins * step), 0.0)
            below_zero, bins = bins[0] < 0, np.minimum(np.abs(bins), count - 1)
            once = windows.copy()
            once[0, below_zero] = 0
            sums = np.bincount(bins.ravel(), (once**2).ravel(), count)
            gain = np.full((self.bands, 1), 2 / self.hop)
            gain[0] = 1 / self.hop
            last = self._last = _Layout(
                bins=torch.from_numpy(bins).to(like.device),
                windows=torch.from_numpy(windows * gain).to(like),
                duals=torch.from_numpy(once / sums[bins] / gain).to(like),
                below_zero=torch.from_numpy(below_zero).to(like.device),
            )
        return last


@dataclass(frozen=True)
class _Layout:
    """For each position in a band's short spectrum: the bin there, and its scaled window and dual window.

    Attributes
    ----------
    bins : Tensor [shape=(bands, frames), int64]
    windows, duals : Tensor [shape=(bands, frames)]
    below_zero : Tensor [shape=(frames,), bool]
        Where the lowest band takes the mirror image of a bin.
    """

    bins: Tensor
    windows: Tensor
    duals: Tensor
    below_zero: Tensor
