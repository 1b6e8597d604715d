"""Mel spectra as generators see them: decibels, from -1 at the floor to 1 at the ceiling; and sound to them, live.

One scale for all sounds, not one for each: a quiet sound is a quiet picture, and chunks of one sound fit together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from export.format.card import MelBands, Spectrum
from export.format.mel_scale import bands_of
from export.streaming.layer import Layer
from export.streaming.stft import STFT

NEPERS_OF_POWER = math.log(10) / 10  # in a decibel


@dataclass(frozen=True)
class LogMel:
    """A mel spectrum in decibels, brought from floor and ceiling to -1 and 1.

    Attributes
    ----------
    sample_rate
        Hz.
    n_fft, hop
        Samples of a frame, and between two.
    bands
        Mel bands, from `low_hz` up to half the rate.
    floor_db, ceiling_db
        Power in a band, relative to 1: what is below the floor is taken for it, and so is what is above the ceiling.
        With the defaults a sine at full scale has +27 to +39 dB in its band; white noise of -40 dBFS has -25.
    """

    sample_rate: int = 48_000
    n_fft: int = 2048
    hop: int = 512
    bands: int = 128
    low_hz: float = 30.0
    floor_db: float = -50.0
    ceiling_db: float = 40.0

    @property
    def spectrum(self) -> Spectrum:
        """What the card says of frames that `to_log_power` gives."""
        return Spectrum(self.n_fft, self.hop, "hann", "log", MelBands(self.bands, self.low_hz))

    @property
    def weights(self) -> Tensor:
        """Filters [bands, bins] of the power in each bin."""
        return torch.from_numpy(bands_of(self.spectrum, self.sample_rate))

    def of_power(self, power: Tensor) -> Tensor:
        """Power in bands [...] → [...], from -1 to 1."""
        middle, half = self._span
        return (torch.log(power.clamp(min=1e-12)) / half - middle / half).clamp(-1, 1)

    def to_log_power(self, scaled: Tensor) -> Tensor:
        """From -1 to 1 [...] → natural logarithm of the power [...], as the card says it."""
        middle, half = self._span
        return scaled * half + middle

    @property
    def _span(self) -> tuple[float, float]:
        """Middle between floor and ceiling, and the way from there to both, as logarithms of the power."""
        middle, half = (self.ceiling_db + self.floor_db) / 2, (self.ceiling_db - self.floor_db) / 2
        return middle * NEPERS_OF_POWER, half * NEPERS_OF_POWER


class Heard(Layer):
    """Sound to frames from -1 to 1, as it comes: [batch, 1, frames * hop] → [batch, bands, frames].

    A frame ends with the hop that it comes with, so nothing waits; what it shows lies `lag` samples before its end.
    """

    weights: Tensor

    def __init__(self, scale: LogMel) -> None:
        stft = STFT(scale.n_fft, scale.hop, centred=False)
        super().__init__(takes=scale.hop, inputs=1, outputs=scale.bands)
        self.scale, self.stft = scale, stft
        self.register_buffer("weights", scale.weights, persistent=False)

    @property
    def lag(self) -> int:
        """Samples from the middle of a frame to its end."""
        return self.scale.n_fft // 2

    def offline(self, x: Tensor) -> Tensor:
        """Run over a whole sound."""
        real, imaginary = self.stft(x).chunk(2, dim=1)  # [batch, bins, frames] each
        return self.scale.of_power(torch.einsum("kb,nbt->nkt", self.weights, real * real + imaginary * imaginary))

    def stream(self, x: Tensor) -> Tensor:
        """Run over the next portion."""
        return self.offline(x)
