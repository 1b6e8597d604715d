"""The mel spectrum: power of an STFT summed in bands that follow the resolution of hearing."""

from __future__ import annotations

import torch
from torch import Tensor

from export.format.card import Spectrum
from export.format.mel_scale import mel_weights
from models.dsp.transforms.stft import STFT
from models.dsp.transforms.transform_base import Transform


class Mel(Transform):
    """Power of an STFT in mel bands. The inverse estimates the phases and the shape within bands.

    Parameters
    ----------
    sample_rate
        Of the audio, Hz.
    spectrum
        Settings of the STFT.
    bands, low_hz, high_hz, htk
        As in `export.format.mel_scale.mel_weights`.

    See Also
    --------
    models.dsp.transforms.phase_inversion.invert : The inverse, with a choice of quality.
    realtime.dsp.mel_inversion.MelInverter : The live inverse.

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
        """Power [..., bands, frames] → [..., length], at quality `good`; not differentiable."""
        from models.dsp.transforms.mel_inversion import mel_to_audio

        return mel_to_audio(coefficients, self, length)

    def frames_of(self, length: int) -> int:
        """Return the number of frames of the STFT."""
        return self.stft.frames_of(length)

    def length_of(self, frames: int) -> int:
        """Return the default length of the STFT."""
        return self.stft.length_of(frames)
