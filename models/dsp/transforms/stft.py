"""The short-time Fourier transform, centred and unnormalised, as on stage and in librosa and torch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from export.format.card import Spectrum
from models.dsp.transforms.transform_base import Transform, TransformError
from realtime.dsp.rtpghi import analysis_window

WEAKEST = 1e-6
"""Smallest sum of squared windows to divide by; where it is less, the sound fades out."""


class STFT(Transform):
    """Short-time Fourier transform with a periodic window, frame `n` centred on sample `n * hop`, zero-padded.

    The inverse overlap-adds the frames under the same window and divides by the sum of its squares (the least-squares
    solution; Griffin & Lim, 1984, eq. 6). If the hop is half the window, samples after the centre of the last frame
    fade out, since only the edge of that frame covers them.

    Parameters
    ----------
    spectrum
        Frame length, hop and window. Its scale is ignored (see `models.dsp.transforms.scaling`).

    Raises
    ------
    TransformError
        The frame length is odd, or the hop isn't 1 to half of it.

    See Also
    --------
    export.streaming.stft : The same as streaming layers.
    realtime.dsp.rtpghi.stft_magnitudes : Its magnitudes without torch.

    Examples
    --------
    >>> stft = STFT(Spectrum(2048, 512))
    >>> stft(torch.zeros(2, 48000)).shape
    torch.Size([2, 1025, 94])
    """

    def __init__(self, spectrum: Spectrum) -> None:
        super().__init__()
        if not 1 <= spectrum.hop <= spectrum.n_fft // 2:
            raise TransformError(
                f"The hop is {spectrum.hop}; with frames of {spectrum.n_fft} samples it can be 1 to "
                f"{spectrum.n_fft // 2}, half a frame."
            )
        try:
            shape = analysis_window(spectrum.n_fft, spectrum.window)
        except ValueError as error:
            raise TransformError(f"{error}.") from None
        self.spectrum, self.hop, self.n_fft = spectrum, spectrum.hop, spectrum.n_fft
        self.window = torch.from_numpy(shape)

    def forward(self, audio: Tensor) -> Tensor:
        """[..., samples] → complex [..., bins, 1 + samples // hop]."""
        around = F.pad(audio, (self.n_fft // 2, self.n_fft // 2))
        frames = around.unfold(-1, self.n_fft, self.hop)  # [..., frames, n_fft]
        return torch.fft.rfft(frames * self.window.to(audio)).transpose(-1, -2)

    def inverse(self, coefficients: Tensor, length: int) -> Tensor:
        """Reconstruct the audio of coefficients.

        Parameters
        ----------
        coefficients : Tensor [shape=(..., bins, frames)]
            Complex.
        length
            Samples of the audio.

        Returns
        -------
        audio : Tensor [shape=(..., length)]

        Raises
        ------
        TransformError
            Wrong number of frames for this length.
        """
        count = coefficients.shape[-1]
        length = self.check_length(count, length)
        frames = torch.fft.irfft(coefficients.transpose(-1, -2), self.n_fft)  # [..., frames, n_fft]
        window = self.window.to(frames)
        sound = overlap_add(frames * window, self.hop)
        power = overlap_add((window**2).expand(count, -1), self.hop)
        return (sound / power.clamp(min=WEAKEST))[..., self.n_fft // 2 :][..., :length]

    def frames_of(self, length: int) -> int:
        """Return one more than the number of whole hops."""
        return 1 + length // self.hop

    def length_of(self, frames: int) -> int:
        """Return the length from the centre of the first frame to that of the last."""
        return max(frames - 1, 0) * self.hop


def overlap_add(frames: Tensor, hop: int) -> Tensor:
    """Overlap-add frames `hop` samples apart: [..., frames, size] → [..., (frames - 1) hop + size]."""
    *batch, count, size = frames.shape
    blocks = -(-size // hop)
    parts = F.pad(frames, (0, blocks * hop - size)).reshape(*batch, count, blocks, hop)  # [..., frames, blocks, hop]
    total = frames.new_zeros(*batch, count + blocks - 1, hop)
    for k in range(blocks):
        total[..., k : k + count, :] += parts[..., k, :]
    return total.flatten(-2)[..., : (count - 1) * hop + size]
