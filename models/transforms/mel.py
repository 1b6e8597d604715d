"""The mel spectrum: filters that sum a spectrum's power into bands as wide as hearing is sharp."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.contract import Spectrum
from models.transforms.frequency import hz_to_mel, mel_to_hz
from models.transforms.stft import STFT
from models.transforms.transform import Transform, TransformError


def mel_weights(
    sample_rate: int,
    n_fft: int,
    bands: int,
    *,
    low_hz: float = 0.0,
    high_hz: float | None = None,
    htk: bool = False,
) -> NDArray[np.float32]:
    """Triangular filters of equal area, even on the mel scale.

    Parameters
    ----------
    sample_rate, n_fft
        Of the spectrum that they weigh, Hz and samples.
    bands
        Number of filters.
    low_hz, high_hz
        Where the first begins and the last ends; by default 0 and half the sample rate.
    htk
        HTK's scale instead of Slaney's, which is linear up to 1 kHz.

    Returns
    -------
    np.ndarray [shape=(bands, n_fft // 2 + 1)]
        Weights of the power in each bin.

    Raises
    ------
    TransformError
        There are no bands, or no frequencies for them.
    """
    top = sample_rate / 2 if high_hz is None else high_hz
    if bands < 1 or not 0 <= low_hz < top <= sample_rate / 2:
        raise TransformError(
            f"{bands} mel bands from {low_hz:g} to {top:g} Hz cannot be: give at least one, and two rising "
            f"frequencies from 0 to {sample_rate / 2:g} Hz."
        )
    ends = hz_to_mel([low_hz, top], htk=htk)
    hz = mel_to_hz(np.linspace(ends[0], ends[1], bands + 2), htk=htk)
    frequency = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    low, middle, high = hz[:-2, None], hz[1:-1, None], hz[2:, None]
    rising, falling = (frequency - low) / (middle - low), (high - frequency) / (high - middle)
    return np.asarray(np.maximum(np.minimum(rising, falling), 0) * 2 / (high - low), np.float32)


class Mel(Transform):
    """Power of an STFT in mel bands. What is lost, the phases and the shape within bands, its inverse makes up.

    Parameters
    ----------
    sample_rate
        Of the audio, Hz.
    spectrum
        The STFT under it.
    bands, low_hz, high_hz, htk
        As `mel_weights` takes them.

    See Also
    --------
    models.transforms.inversion.invert : the inverse, with a choice of quality.
    realtime.unmel.MelInverter : the same, live.

    Examples
    --------
    >>> mel = Mel(48000, Spectrum(2048, 512))
    >>> mel(torch.zeros(48000)).shape
    torch.Size([128, 94])
    """

    weights: Tensor

    def __init__(
        self,
        sample_rate: int,
        spectrum: Spectrum,
        bands: int = 128,
        *,
        low_hz: float = 0.0,
        high_hz: float | None = None,
        htk: bool = False,
    ) -> None:
        super().__init__()
        self.stft = STFT(spectrum)
        self.spectrum, self.hop, self.sample_rate = spectrum, spectrum.hop, sample_rate
        weights = mel_weights(sample_rate, spectrum.n_fft, bands, low_hz=low_hz, high_hz=high_hz, htk=htk)
        self.register_buffer("weights", torch.from_numpy(weights), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """[..., samples] → power [..., bands, frames]."""
        spectrum = self.stft(audio)
        return self.of_power(spectrum.real**2 + spectrum.imag**2)

    def of_power(self, power: Tensor) -> Tensor:
        """Power in each bin [..., bins, frames] → power in each band [..., bands, frames]."""
        return self.weights.to(power) @ power

    def inverse(self, coefficients: Tensor, length: int) -> Tensor:
        """Power [..., bands, frames] → [..., length], of good quality; no gradients."""
        from models.transforms.unmel import mel_to_audio

        return mel_to_audio(coefficients, self, length)

    def frames_of(self, length: int) -> int:
        """Those of the STFT."""
        return self.stft.frames_of(length)

    def length_of(self, frames: int) -> int:
        """That of the STFT."""
        return self.stft.length_of(frames)
