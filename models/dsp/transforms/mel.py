"""The mel spectrum: filters that sum a spectrum's power into bands as wide as hearing is sharp."""

from __future__ import annotations

import torch
from torch import Tensor

from export.format.card import Spectrum
from export.format.mel_scale import mel_weights
from models.dsp.transforms.stft import STFT
from models.dsp.transforms.transform import Transform


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
    models.dsp.transforms.inversion.invert : the inverse, with a choice of quality.
    realtime.dsp.mel_inversion.MelInverter : the same, live.

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
        from models.dsp.transforms.mel_inversion import mel_to_audio

        return mel_to_audio(coefficients, self, length)

    def frames_of(self, length: int) -> int:
        """Those of the STFT."""
        return self.stft.frames_of(length)

    def length_of(self, frames: int) -> int:
        """That of the STFT."""
        return self.stft.length_of(frames)
