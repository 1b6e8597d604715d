"""Log-mel spectra for generators, scaled from -1 (floor) to 1 (ceiling), and their streaming analysis.

The scale is the same for all sounds, so that levels are kept and chunks of one sound fit together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from export.format.card import MelBands, Spectrum
from export.format.mel_scale import bands_of
from export.streaming.layer_base import Layer
from export.streaming.stft import STFT

NEPERS_OF_POWER = math.log(10) / 10  # in a decibel


@dataclass(frozen=True)
class LogMel:
    """A mel spectrum in dB, with floor and ceiling mapped to -1 and 1.

    Attributes
    ----------
    sample_rate
        Hz.
    n_fft, hop
        Frame length, and distance of frames, in samples.
    bands
        Mel bands, from `low_hz` up to half the rate.
    floor_db, ceiling_db
        Range of the power in a band, dB relative to 1; values beyond are clipped. With the defaults a sine at full
        scale has +27 to +39 dB in its band; white noise of -40 dBFS has -25.
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
        """The card's description of the frames of `to_log_power`."""
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
        """From -1 to 1 [...] → natural logarithm of the power [...], as in the card."""
        middle, half = self._span
        return scaled * half + middle

    @property
    def _span(self) -> tuple[float, float]:
        """Middle of floor and ceiling, and half their distance, as logarithms of the power."""
        middle, half = (self.ceiling_db + self.floor_db) / 2, (self.ceiling_db - self.floor_db) / 2
        return middle * NEPERS_OF_POWER, half * NEPERS_OF_POWER


class LogMelAnalysis(Layer):
    """Streaming analysis of sound into frames from -1 to 1: [batch, 1, frames * hop] → [batch, bands, frames].

    A frame ends with its hop, so there is no waiting; its centre is `lag` samples before its end.
    """

    weights: Tensor

    def __init__(self, scale: LogMel) -> None:
        stft = STFT(scale.n_fft, scale.hop, centred=False)
        super().__init__(takes=scale.hop, inputs=1, outputs=scale.bands)
        self.scale, self.stft = scale, stft
        self.register_buffer("weights", scale.weights, persistent=False)

    @property
    def lag(self) -> int:
        """Samples from the centre of a frame to its end."""
        return self.scale.n_fft // 2

    def offline(self, x: Tensor) -> Tensor:
        """Analyse a whole sound."""
        real, imaginary = self.stft(x).chunk(2, dim=1)  # [batch, bins, frames] each
        return self.scale.of_power(torch.einsum("kb,nbt->nkt", self.weights, real * real + imaginary * imaginary))

    def stream(self, x: Tensor) -> Tensor:
        """Analyse the next chunk."""
        return self.offline(x)
