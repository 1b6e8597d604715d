"""A variational auto-encoder of harmonics, noise and stretch of notes with known pitch and loudness.

The latent should hold the timbre alone: pitch and loudness are given to the decoder directly. Its output is scaled to
exactly the given loudness, so no latent can change the level.

Sources: Kingma and Welling, "Auto-Encoding Variational Bayes" (2013); harmonics plus noise after Serra and Smith,
"Spectral Modeling Synthesis" (1990).

Shapes: `...` is any number of leading axes (voices, frames).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.dsp.log_magnitude import LN_10_OVER_20
from models.harmonics.analysis import HARMONICS
from models.harmonics.harmonic_series import audible, frequencies
from models.harmonics.noise_bands import BANDS, shares
from models.vae.networks.mlp import mlp

MIN_HARMONIC, MIN_NOISE = -10.0, -10.0
"""Floors of harmonics and noise, nepers relative to the loudness."""

_SILENT = 1e-12


@dataclass(frozen=True)
class PlayableConfig:
    """Size of the network.

    Attributes
    ----------
    sample_rate, hop
        Hz, and samples of a frame in the analysis.
    latent
        Latent dimensions.
    hidden, layers
        Width and number of the layers, in the encoder and in the decoder.
    hearing
        Width of the layers of the spectral encoder, which encodes live sound.
    pitch_waves
        Sine and cosine pairs that encode the pitch for the decoder; the first has a period of four octaves, each next
        one half of that.
    quietest_db
        Loudness of silence, dBFS.
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
    """Parameters of the oscillator bank and the noise generator for some frames.

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
        """All of them concatenated, [..., HARMONICS + BANDS + 1]."""
        return torch.cat([self.harmonics, self.noise, self.stretch], dim=-1)


FEATURES = HARMONICS + BANDS + 1


class PlayableVae(nn.Module):
    """Encoder and decoder; see the module's docstring."""

    mean: Tensor
    deviation: Tensor
    share: Tensor

    def __init__(self, config: PlayableConfig) -> None:
        super().__init__()
        self.config = config
        conditions = 1 + 2 * config.pitch_waves + 1
        self.encoder = mlp(FEATURES + 2, config.hidden, 2 * config.latent, config.layers)
        self.decoder = mlp(config.latent + conditions, config.hidden, FEATURES, config.layers)
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
        conditions = torch.stack([(pitch - 64.0) / 12.0, scaled(loudness)], dim=-1)  # [..., 2]
        mean, log_variance = self.encoder(torch.cat([normalised, conditions], dim=-1)).chunk(2, dim=-1)
        return mean, log_variance.clamp(-9.0, 4.0)

    def decode(self, latent: Tensor, pitch: Tensor, loudness: Tensor) -> Drawn:
        """[..., latent], MIDI note numbers [...] and dBFS [...] → synthesis parameters with an RMS of 1."""
        drawn, _, gain = self._drawn(latent, pitch, loudness)
        harmonics, noise = drawn.harmonics, drawn.noise
        power = 0.5 * ((torch.exp(harmonics) * gain) ** 2).sum(dim=-1, keepdim=True)
        power = power + (torch.exp(2 * noise) * self.share).sum(dim=-1, keepdim=True)
        level = 0.5 * torch.log(power + _SILENT)
        return Drawn(harmonics - level, noise - level, drawn.stretch)

    def sounding(self, latent: Tensor, pitch: Tensor, loudness: Tensor, level: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Decode to the input of an oscillator bank at an RMS of `level` [..., 1]: equal to `decode`, in fewer steps.

        Returns
        -------
        hz, amplitude : Tensor [shape=(..., HARMONICS)]
        noise : Tensor [shape=(..., BANDS)]
            Standard deviations of the bands.
        """
        drawn, hz, audibility = self._drawn(latent, pitch, loudness)
        amplitude, noise = torch.exp(drawn.harmonics) * audibility, torch.exp(drawn.noise)
        power = 0.5 * (amplitude * amplitude).sum(dim=-1, keepdim=True)
        power = power + (noise * noise * self.share).sum(dim=-1, keepdim=True)
        gain = level / torch.sqrt(power + _SILENT)
        return hz, amplitude * gain, noise * gain

    def _drawn(self, latent: Tensor, pitch: Tensor, loudness: Tensor) -> tuple[Drawn, Tensor, Tensor]:
        """Decode without scaling the level; also give each harmonic's frequency, Hz, and its gain near Nyquist."""
        conditions = [pitch_waves(pitch, self.config.pitch_waves), scaled(loudness)[..., None]]
        joined = self.decoder(torch.cat([latent, *conditions], dim=-1)) * self.deviation + self.mean
        harmonics, noise, stretch = joined.split([HARMONICS, BANDS, 1], dim=-1)
        harmonics, noise = harmonics.clamp(max=3.0), noise.clamp(max=3.0)
        hz = frequencies(pitch.double(), stretch).float()
        return Drawn(harmonics, noise, stretch), hz, audible(hz, self.config.sample_rate)

    def parameter_count(self) -> int:
        """Return the number of trained values."""
        return sum(parameter.numel() for parameter in self.parameters())


def pitch_waves(pitch: Tensor, waves: int) -> Tensor:
    """Encode pitch as features of a network: its value, and sines and cosines of it.

    All waves of a frame are computed as one run of sines: the rounding of a sine in a graph may depend on the number of
    values in the run, and a frame must be rounded the same whether it is decoded alone or with others.

    Parameters
    ----------
    pitch : Tensor [shape=(...)]
        MIDI note numbers.
    waves
        Number of sines, and of cosines; the first has a period of four octaves, each further one half that of the last.

    Returns
    -------
    features : Tensor [shape=(..., 1 + 2 * waves)]
        The pitch in octaves above note 64, then the sines, then the cosines.
    """
    octave = (pitch[..., None] - 64.0) / 12.0  # [..., 1]
    turns = torch.tensor([2.0**k * math.pi / 2 for k in range(waves)] * 2, device=pitch.device)
    phase = torch.tensor([0.0] * waves + [math.pi / 2] * waves, device=pitch.device)
    return torch.cat([octave, torch.sin(octave * turns + phase)], dim=-1)


def scaled(loudness: Tensor) -> Tensor:
    """Scale dBFS to the range of the network's other inputs."""
    return (loudness * LN_10_OVER_20 + 5.0) / 2.5
