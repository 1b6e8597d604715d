"""A variational auto-encoder of what notes are made of: harmonics, noise and stretch, at a known pitch and loudness.

The latent is to hold the timbre alone: pitch and loudness reach the decoder by themselves. What it draws is brought to
exactly the loudness asked for, so no latent can change the level.

Shapes: `...` is any number of leading axes (voices, frames).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.harmonics.analysis import HARMONICS, TOP_HZ
from models.harmonics.bands import BANDS, shares
from models.spectral.network import LN_10_OVER_20, mlp

LOWEST_HARMONIC, LOWEST_NOISE = -10.0, -10.0
"""Nepers under the loudness at which harmonics and noise end."""

STRETCH_FLOOR = 1e-5
MOST_STRETCH = 3e-3
_FADE_HZ = 500.0
_SILENT = 1e-12


@dataclass(frozen=True)
class PlayableConfig:
    """Size of the network.

    `latent` is the number of latents, `hidden` the width of the layers and `layers` their number, on either side;
    `hearing` the width of the encoder that hears sound. `pitch_waves` sine and cosine pairs tell the decoder the pitch,
    the slowest four octaves long, each next half as long.
    """

    sample_rate: int = 48_000
    hop: int = 256
    latent: int = 8
    hidden: int = 384
    layers: int = 2
    hearing: int = 320
    pitch_waves: int = 4
    quietest_db: float = -90.0


@dataclass(frozen=True)
class Drawn:
    """What an oscillator bank and a noise generator need to know of some frames.

    Attributes
    ----------
    harmonics : Tensor [shape=(..., HARMONICS)]
        Logarithm of amplitudes, of a sound with an RMS of 1.
    noise : Tensor [shape=(..., BANDS)]
        Levels of the bands, of the same sound.
    stretch : Tensor [shape=(..., 1)]
        log(B + STRETCH_FLOOR).
    """

    harmonics: Tensor
    noise: Tensor
    stretch: Tensor

    @property
    def joined(self) -> Tensor:
        """All of it side by side, [..., HARMONICS + BANDS + 1]."""
        return torch.cat([self.harmonics, self.noise, self.stretch], dim=-1)


FEATURES = HARMONICS + BANDS + 1


class PlayableVae(nn.Module):
    """Encoder and decoder; see the module's text."""

    mean: Tensor
    deviation: Tensor
    share: Tensor

    def __init__(self, config: PlayableConfig) -> None:
        super().__init__()
        self.config = config
        told = 1 + 2 * config.pitch_waves + 1
        self.encoder = mlp(FEATURES + 2, config.hidden, 2 * config.latent, config.layers)
        self.decoder = mlp(config.latent + told, config.hidden, FEATURES, config.layers)
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("deviation", torch.ones(()))
        self.register_buffer("share", torch.from_numpy(shares(config.sample_rate)).float(), persistent=False)

    def forward(self, features: Drawn, pitch: Tensor, loudness: Tensor, noise: Tensor) -> tuple[Drawn, Tensor, Tensor]:
        """Encode, draw a latent with standard normal `noise` [..., latent], decode; give its mean and log-variance."""
        mean, log_variance = self.encode(features, pitch, loudness)
        latent = mean + noise * torch.exp(0.5 * log_variance)
        return self.decode(latent, pitch, loudness), mean, log_variance

    def encode(self, features: Drawn, pitch: Tensor, loudness: Tensor) -> tuple[Tensor, Tensor]:
        """Give mean and log-variance of the latent, [..., latent] each, of features at a pitch and loudness [...]."""
        normalised = (features.joined - self.mean) / self.deviation
        told = torch.stack([(pitch - 64.0) / 12.0, scaled(loudness)], dim=-1)
        mean, log_variance = self.encoder(torch.cat([normalised, told], dim=-1)).chunk(2, dim=-1)
        return mean, log_variance.clamp(-9.0, 4.0)

    def decode(self, latent: Tensor, pitch: Tensor, loudness: Tensor) -> Drawn:
        """[..., latent], MIDI note numbers [...] and dBFS [...] → what sounds, with an RMS of 1."""
        drawn, _, heard = self._drawn(latent, pitch, loudness)
        harmonics, noise = drawn.harmonics, drawn.noise
        power = 0.5 * ((torch.exp(harmonics) * heard) ** 2).sum(dim=-1, keepdim=True)
        power = power + (torch.exp(2 * noise) * self.share).sum(dim=-1, keepdim=True)
        level = 0.5 * torch.log(power + _SILENT)
        return Drawn(harmonics - level, noise - level, drawn.stretch)

    def sounding(self, latent: Tensor, pitch: Tensor, loudness: Tensor, level: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Decode to what an oscillator bank plays at an RMS of `level` [..., 1]: the same as `decode`, in fewer steps.

        Returns
        -------
        hz, amplitude : Tensor [shape=(..., HARMONICS)]
        noise : Tensor [shape=(..., BANDS)]
            Deviations.
        """
        drawn, hz, heard = self._drawn(latent, pitch, loudness)
        amplitude, noise = torch.exp(drawn.harmonics) * heard, torch.exp(drawn.noise)
        power = 0.5 * (amplitude * amplitude).sum(dim=-1, keepdim=True)
        power = power + (noise * noise * self.share).sum(dim=-1, keepdim=True)
        gain = level / torch.sqrt(power + _SILENT)
        return hz, amplitude * gain, noise * gain

    def _drawn(self, latent: Tensor, pitch: Tensor, loudness: Tensor) -> tuple[Drawn, Tensor, Tensor]:
        """Draw what sounds, at any level; give each harmonic's frequency, and how much of it is heard."""
        told = [pitch_waves(pitch, self.config.pitch_waves), scaled(loudness)[..., None]]
        joined = self.decoder(torch.cat([latent, *told], dim=-1)) * self.deviation + self.mean
        harmonics, noise, stretch = joined.split([HARMONICS, BANDS, 1], dim=-1)
        harmonics, noise = harmonics.clamp(max=3.0), noise.clamp(max=3.0)
        hz = frequencies(pitch.double(), stretch).float()
        return Drawn(harmonics, noise, stretch), hz, audible(hz, self.config.sample_rate)

    def parameter_count(self) -> int:
        """Number of trained values."""
        return sum(parameter.numel() for parameter in self.parameters())


def pitch_waves(pitch: Tensor, waves: int) -> Tensor:
    """MIDI note numbers [...] → the note in octaves from 64, and sines and cosines of it, [..., 1 + 2 waves].

    All waves of a frame are one run of sines: how a graph rounds a sine may depend on how many stand together, and a
    frame among others is to be rounded as it is alone.
    """
    octave = (pitch[..., None] - 64.0) / 12.0  # [..., 1]
    turns = torch.tensor([2.0**k * math.pi / 2 for k in range(waves)] * 2, device=pitch.device)
    ahead = torch.tensor([0.0] * waves + [math.pi / 2] * waves, device=pitch.device)
    return torch.cat([octave, torch.sin(octave * turns + ahead)], dim=-1)


def scaled(loudness: Tensor) -> Tensor:
    """Bring dBFS to the size of the network's other inputs."""
    return (loudness * LN_10_OVER_20 + 5.0) / 2.5


def frequencies(pitch: Tensor, stretch: Tensor) -> Tensor:
    """Hz of each harmonic at MIDI note numbers [...] and log-stretch [..., 1], [..., HARMONICS]."""
    f0 = 440.0 * torch.exp((pitch[..., None] - 69.0) * (math.log(2) / 12))
    k = torch.arange(1, HARMONICS + 1, dtype=f0.dtype, device=f0.device)
    bent = (torch.exp(stretch.to(f0.dtype)) - STRETCH_FLOOR).clamp(0.0, MOST_STRETCH)
    return f0 * k * torch.sqrt(1 + bent * k**2)


def audible(hz: Tensor, sample_rate: int) -> Tensor:
    """Give 1 for what an oscillator may play and 0 for what would alias, with a slope between."""
    return ((min(TOP_HZ, 0.46 * sample_rate) - hz) / _FADE_HZ).clamp(0.0, 1.0)
