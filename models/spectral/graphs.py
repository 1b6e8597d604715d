"""The two ways through a trained VAE as they stream."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from export.streaming.stft import STFT
from models.data.features import LOG_FLOOR
from models.spectral.frames import LOWEST_SHAPE
from models.spectral.network import LN_10_OVER_20, SpectralVae, VaeConfig, half_energy, unit_gain

LIFT_DB = 4.0
"""What inversion takes from noise is given to it beforehand, dB. A floor of noise is decoded smooth, as no real noise
is; neighbouring frames of it cannot agree on phases, and lose level where they overlap."""


class DecodeGraph(nn.Module):
    """Latent, pitch and loudness → linear magnitudes of exactly that loudness."""

    def __init__(self, vae: SpectralVae) -> None:
        super().__init__()
        self.decoder = vae.decoder
        self.quietest_db = vae.config.quietest_db
        self.unit = unit_gain(vae.config.n_fft)

    def forward(self, latent: Tensor, pitch: Tensor, loudness: Tensor) -> tuple[Tensor]:
        """Decode.

        Parameters
        ----------
        latent : Tensor [shape=(1, latent, frames)]
        pitch : Tensor [shape=(1, 1, frames)]
            MIDI note number.
        loudness : Tensor [shape=(1, 1, frames)]
            RMS, dBFS; at the quietest, silence.

        Returns
        -------
        Tensor [shape=(1, bins, frames)]
            Magnitudes of an unnormalised STFT.
        """
        level = loudness[0, 0]  # [frames]
        shape = self.decoder(latent[0].T, pitch[0, 0], level, LIFT_DB * LN_10_OVER_20)  # [frames, bins]
        silence = math.exp(self.quietest_db * LN_10_OVER_20)
        gain = self.unit * (torch.exp(level * LN_10_OVER_20) - silence).clamp(min=0)  # [frames]
        return ((gain[:, None] * torch.exp(shape)).T[None],)


class EncodeGraph(nn.Module):
    """Audio → mean of the latent; the frames' spectra are streamed, each through a window that ends with its hop."""

    def __init__(self, vae: SpectralVae) -> None:
        super().__init__()
        self.encoder = vae.encoder
        self.config = vae.config
        self.stft = STFT(vae.config.n_fft, vae.config.hop, centred=False)

    def forward(self, audio: Tensor) -> Tensor:
        """Encode: [1, 1, frames * hop] → [1, latent, frames]."""
        real, imaginary = self.stft(audio)[0].T.chunk(2, dim=-1)  # [frames, bins] each
        power = real**2 + imaginary**2
        mean, _ = self.encoder(shape_of(0.5 * torch.log(power.clamp(min=LOG_FLOOR**2)), self.config))
        return mean.T[None]


def shape_of(log_magnitude: Tensor, config: VaeConfig) -> Tensor:
    """Bring log-magnitudes [..., bins] to unit energy as in training: no louder than they are if they are silence."""
    quietest = 2 * (math.log(unit_gain(config.n_fft)) + config.quietest_db * LN_10_OVER_20)
    energy = torch.log(half_energy(log_magnitude)).clamp(min=quietest)  # [..., 1]
    raised = (log_magnitude - 0.5 * energy).clamp(min=LOWEST_SHAPE)
    return raised - 0.5 * torch.log(half_energy(raised))


def encode_delay(config: VaeConfig) -> int:
    """Samples by which the middle of a frame's window lags the start of the hop that it stands for."""
    return config.n_fft // 2 - config.hop
