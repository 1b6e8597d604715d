"""A spectral variational auto-encoder with a decoder that is conditioned on pitch and loudness.

The encoder maps one log-magnitude frame to a latent, which should hold the timbre alone: pitch and loudness are given
to the decoder directly. The decoder adds three parts: harmonics, each the main lobe of the analysis window at a
frequency that follows from the pitch; a skirt around each; and a noise floor. So the partials of a pitch outside the
training set are at the right frequencies, and a glide moves them instead of crossfading. The frame is then scaled to
exactly the given loudness.

Source: Kingma and Welling, "Auto-Encoding Variational Bayes" (2013), for the VAE.

Shapes: `...` is any number of leading axes (batch, frames), `bins` is n_fft / 2 + 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.dsp.log_magnitude import unit_energy
from models.vae.conditions import pitch_features
from models.vae.gaussian import Normal
from models.vae.networks.mlp import mlp


@dataclass(frozen=True)
class VaeConfig:
    """Size of the network and its spectrum.

    Attributes
    ----------
    sample_rate
        Hz.
    n_fft, hop
        Window and hop of the STFT, samples.
    latent
        Latent dimensions.
    encoder_hidden, hidden, layers
        Width of the encoder's and of the decoder's layers, and their number in each.
    harmonics
        Partials with a level of their own; the others follow the envelope.
    bands
        Points of the envelope and of the skirt.
    pitch_waves
        Sine and cosine pairs that encode the pitch for the decoder; the first has a period of four octaves, each next
        one half of that.
    quietest_db
        Loudness of silence, dBFS.
    """

    sample_rate: int = 48_000
    n_fft: int = 2048
    hop: int = 256
    latent: int = 16
    encoder_hidden: int = 320
    hidden: int = 512
    layers: int = 2
    harmonics: int = 64
    bands: int = 96
    pitch_waves: int = 5
    quietest_db: float = -90.0

    @property
    def bins(self) -> int:
        """Number of magnitudes in a frame."""
        return self.n_fft // 2 + 1


class SpectralVae(nn.Module):
    """Encoder and decoder; see the module's docstring."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def forward(self, shape: Tensor, pitch: Tensor, loudness: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode, draw a latent, decode.

        Parameters
        ----------
        shape : Tensor [shape=(..., bins)]
            Log-magnitudes of unit energy (see `unit_energy`).
        pitch, loudness : Tensor [shape=(...,)]
            MIDI note number and dBFS.
        noise : Tensor [shape=(..., latent)]
            Standard normal.

        Returns
        -------
        shape : Tensor [shape=(..., bins)]
            The reconstruction, of unit energy as well.
        mean, log_variance : Tensor [shape=(..., latent)]
            Of the latent's distribution.
        """
        mean, log_variance = self.encoder(shape)  # [..., latent] each
        latent = Normal(mean, log_variance).draw(noise)
        return self.decoder(latent, pitch, loudness), mean, log_variance

    def parameter_count(self) -> int:
        """Return the number of trained values."""
        return sum(parameter.numel() for parameter in self.parameters())


class Encoder(nn.Module):
    """Log-magnitudes of unit energy → mean and log-variance of the latent."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        self.net = mlp(config.bins, config.encoder_hidden, 2 * config.latent, config.layers)
        self.register_buffer("mean", torch.zeros(config.bins))
        self.register_buffer("deviation", torch.ones(()))

    def forward(self, shape: Tensor) -> tuple[Tensor, Tensor]:
        """[..., bins] → mean and log-variance, [..., latent] each."""
        mean, log_variance = self.net((shape - self.mean) / self.deviation).chunk(2, dim=-1)
        return mean, log_variance.clamp(-9.0, 4.0)


class Decoder(nn.Module):
    """Latent, pitch and loudness → log-magnitudes of unit energy."""

    frequency: Tensor
    spread: Tensor
    floor_mean: Tensor

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        self.config = config
        inputs = config.latent + 1 + 2 * config.pitch_waves + 1
        self.sizes = [config.harmonics, config.bands, config.bands, config.bins, 1]
        self.net = mlp(inputs, config.hidden, sum(self.sizes), config.layers)
        self.register_buffer("frequency", torch.arange(config.bins, dtype=torch.float32))
        self.register_buffer("spread", band_spread(config))  # [bands, bins]
        self.register_buffer("floor_mean", torch.zeros(config.bins))

    def forward(self, latent: Tensor, pitch: Tensor, loudness: Tensor, lift: float = 0.0) -> Tensor:
        """[..., latent], [...], [...] → [..., bins]; `lift` raises the noise floor, nepers."""
        conditions = [pitch_features(pitch, self.config.pitch_waves), (loudness[..., None] + 30) / 20]
        drawn = self.net(torch.cat([latent, *conditions], dim=-1))  # [..., sum of sizes]
        levels, envelope, skirt, floor, stretch = drawn.split(self.sizes, dim=-1)
        envelope = 2 * envelope @ self.spread - 3.0  # [..., bins]
        skirt = 2 * skirt @ self.spread - 3.5  # [..., bins]
        floor = 2 * floor + self.floor_mean + lift  # [..., bins]
        lower, upper = self.partials(pitch, levels, skirt, 2e-3 * torch.sigmoid(2 * stretch - 5))
        power = torch.exp(2 * envelope.clamp(max=3.0)) * (lower + upper) + torch.exp(2 * floor.clamp(max=3.0))
        return unit_energy(0.5 * torch.log(power + 1e-12))

    def partials(self, pitch: Tensor, levels: Tensor, skirt: Tensor, stretch: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the power of the two partials next to each bin, before the envelope.

        Partial k is at k f0 sqrt(1 + B k²) (a stiff string: Fletcher, "Normal Vibration Frequencies of a Stiff Piano
        String", 1964).

        Parameters
        ----------
        pitch : Tensor [shape=(...)]
            MIDI note numbers.
        levels : Tensor [shape=(..., harmonics)]
            Half the log-amplitude of each partial, nepers, limited to 2.
        skirt : Tensor [shape=(..., bins)]
            Log-amplitude of the skirt beside each partial's lobe, nepers, limited to 0.
        stretch : Tensor [shape=(..., 1)]
            B.

        Returns
        -------
        below, above : Tensor [shape=(..., bins)]
            Power in each bin of the partial below it, and of the one above.
        """
        config = self.config
        hz = 440.0 * torch.exp((pitch[..., None] - 69.0) * (math.log(2) / 12))  # [..., 1]
        f0 = hz * (config.n_fft / config.sample_rate)  # [..., 1], in bins
        square = (self.frequency / f0) ** 2  # [..., bins]
        number = torch.sqrt(2 * square / (1 + torch.sqrt(1 + 4 * stretch * square)))  # the partial at each bin
        below = torch.floor(number.detach())  # [..., bins]
        levels = F.pad(levels, (1, 1))  # [..., harmonics + 2]: partial 0 (masked) and all the unnamed ones are at 0
        found = []
        for k in (below, below + 1):
            distance = self.frequency - k * f0 * torch.sqrt(1 + stretch * k**2)  # [..., bins], in bins
            index = k.long().clamp(0, config.harmonics + 1)  # clamped as integers: NaN converts to one as well
            level = torch.gather(levels, -1, index)  # [..., bins]
            lobe = hann_lobe(distance) ** 2 + torch.exp(2 * skirt.clamp(max=0.0)) / (1 + distance**2) ** 2
            found.append(torch.exp(4 * level.clamp(max=2.0)) * lobe * (k >= 1))
        return found[0], found[1]


def hann_lobe(distance: Tensor) -> Tensor:
    """Evaluate the main lobe of the Hann window at a distance in bins: 1 at its peak, 0 from two bins on."""
    lobe = torch.sinc(distance) + 0.5 * (torch.sinc(distance - 1) + torch.sinc(distance + 1))
    return lobe * (distance.abs() < 2)


def band_spread(config: VaeConfig) -> Tensor:
    """Weights that draw straight lines through points even on the mel scale, [bands, bins]."""
    frequency = torch.arange(config.bins) * (config.sample_rate / config.n_fft)
    place = torch.log1p(frequency / 700)
    place = place / place[-1] * (config.bands - 1)  # [bins], in bands
    return (1 - (place - torch.arange(config.bands)[:, None]).abs()).clamp(min=0)
