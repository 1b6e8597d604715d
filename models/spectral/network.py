"""A spectral variational auto-encoder whose decoder is told pitch and loudness.

The encoder sees one log-magnitude frame and gives a latent, which is to hold the timbre alone: pitch and loudness reach
the decoder by themselves. The decoder makes a frame of three things: harmonics, each the main lobe of the analysis
window at a place that follows from the pitch; a skirt around each; and a floor of noise. So a pitch that was never
heard has its partials where they belong, and a glide moves them instead of fading one into the next. The frame is then
brought to exactly the loudness asked for.

Shapes: `...` is any number of leading axes (batch, frames), `bins` is n_fft / 2 + 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.vae.conditions import pitch_features
from models.vae.gaussian import Normal

LN_10_OVER_20 = math.log(10) / 20
HANN_POWER = 0.375
"""Mean square of a periodic Hann window."""


@dataclass(frozen=True)
class VaeConfig:
    """Size of the network and the spectrum it works on.

    `latent` is the number of latents, `hidden` the width of the layers and `layers` their number, on either side.
    `harmonics` partials have a level of their own; the others follow the envelope, which like the skirt is drawn
    through `bands` points. `pitch_waves` sine and cosine pairs tell the decoder the pitch, the slowest four octaves
    long, each next half as long.
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
    """Encoder and decoder; see the module's text."""

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
            What the decoder makes of it, of unit energy as well.
        mean, log_variance : Tensor [shape=(..., latent)]
            Of the latent's distribution.
        """
        mean, log_variance = self.encoder(shape)  # [..., latent] each
        latent = Normal(mean, log_variance).draw(noise)
        return self.decoder(latent, pitch, loudness), mean, log_variance

    def parameter_count(self) -> int:
        """Number of trained values."""
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
        """[..., latent], [...], [...] → [..., bins]; `lift` raises the floor of noise, nepers."""
        told = [pitch_features(pitch, self.config.pitch_waves), (loudness[..., None] + 30) / 20]
        drawn = self.net(torch.cat([latent, *told], dim=-1))  # [..., sum of sizes]
        levels, envelope, skirt, floor, stretch = drawn.split(self.sizes, dim=-1)
        envelope = 2 * envelope @ self.spread - 3.0  # [..., bins]
        skirt = 2 * skirt @ self.spread - 3.5  # [..., bins]
        floor = 2 * floor + self.floor_mean + lift  # [..., bins]
        lower, upper = self.partials(pitch, levels, skirt, 2e-3 * torch.sigmoid(2 * stretch - 5))
        power = torch.exp(2 * envelope.clamp(max=3.0)) * (lower + upper) + torch.exp(2 * floor.clamp(max=3.0))
        return unit_energy(0.5 * torch.log(power + 1e-12))

    def partials(self, pitch: Tensor, levels: Tensor, skirt: Tensor, stretch: Tensor) -> tuple[Tensor, Tensor]:
        """Power in each bin of the partial below it and of the one above, before the envelope, [..., bins] each.

        Partial k lies at k f0 sqrt(1 + B k²); `stretch` is B, [..., 1].
        """
        config = self.config
        hz = 440.0 * torch.exp((pitch[..., None] - 69.0) * (math.log(2) / 12))  # [..., 1]
        f0 = hz * (config.n_fft / config.sample_rate)  # [..., 1], in bins
        square = (self.frequency / f0) ** 2  # [..., bins]
        number = torch.sqrt(2 * square / (1 + torch.sqrt(1 + 4 * stretch * square)))  # which partial a bin would be
        below = torch.floor(number.detach())  # [..., bins]
        levels = F.pad(levels, (1, 1))  # [..., harmonics + 2]: partial 0 (masked) and all the unnamed ones are at 0
        found = []
        for k in (below, below + 1):
            distance = self.frequency - k * f0 * torch.sqrt(1 + stretch * k**2)  # [..., bins], in bins
            index = k.long().clamp(0, config.harmonics + 1)  # clamped as integers: not a number is one, too
            level = torch.gather(levels, -1, index)  # [..., bins]
            lobe = hann_lobe(distance) ** 2 + torch.exp(2 * skirt.clamp(max=0.0)) / (1 + distance**2) ** 2
            found.append(torch.exp(4 * level.clamp(max=2.0)) * lobe * (k >= 1))
        return found[0], found[1]


def mlp(inputs: int, hidden: int, outputs: int, layers: int) -> nn.Sequential:
    """Layers of the same width, each normalised, and a linear one at the end."""
    stack: list[nn.Module] = []
    for k in range(layers):
        stack += [nn.Linear(hidden if k else inputs, hidden), nn.LayerNorm(hidden), nn.SiLU()]
    return nn.Sequential(*stack, nn.Linear(hidden, outputs))


def hann_lobe(distance: Tensor) -> Tensor:
    """Main lobe of the Hann window, 1 at its peak, against the distance in bins; 0 from two bins on."""
    lobe = torch.sinc(distance) + 0.5 * (torch.sinc(distance - 1) + torch.sinc(distance + 1))
    return lobe * (distance.abs() < 2)


def unit_energy(log_magnitude: Tensor) -> Tensor:
    """Bring log-magnitudes [..., bins] to the energy 1: half that of the whole, two-sided spectrum."""
    return log_magnitude - 0.5 * torch.log(half_energy(log_magnitude))


def half_energy(log_magnitude: Tensor) -> Tensor:
    """Half the energy of the two-sided spectrum, [..., bins] → [..., 1]."""
    power = torch.exp(2 * log_magnitude)  # [..., bins]
    edges = 0.5 * (power[..., :1] + power[..., -1:])
    return power.sum(dim=-1, keepdim=True) - edges + 1e-20


def unit_gain(n_fft: int) -> float:
    """Magnitudes of a sound with an RMS of 1, divided by those of unit energy (Parseval, periodic Hann window)."""
    return math.sqrt(n_fft * n_fft * HANN_POWER / 2)


def warp(log_magnitude: Tensor, semitones: Tensor) -> Tensor:
    """Move log-magnitudes along frequency, as if the sound were played faster or slower.

    Cubic (Catmull-Rom), between fourth roots of the magnitudes: in them the window's main lobe is nearly a parabola,
    and the nulls beside it are no abysses, as they are in logarithms.

    Parameters
    ----------
    log_magnitude : Tensor [shape=(..., bins)]
    semitones : Tensor [shape=(...,)]
        Upwards if positive. What comes from above the last bin repeats it.
    """
    bins = log_magnitude.shape[-1]
    bin_numbers = torch.arange(bins, device=log_magnitude.device, dtype=torch.float32)
    source = bin_numbers * torch.exp(-semitones[..., None] * (math.log(2) / 12))  # [..., bins]
    first = torch.floor(source)
    t = (source - first).clamp(0, 1)
    index = first.long()
    root = torch.exp(0.25 * log_magnitude)
    a, b, c, d = (torch.gather(root, -1, (index + k).clamp(0, bins - 1)) for k in (-1, 0, 1, 2))
    between = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return 4 * torch.log(between.clamp(min=1e-3))


def band_spread(config: VaeConfig) -> Tensor:
    """Weights that draw straight lines through points even on the mel scale, [bands, bins]."""
    frequency = torch.arange(config.bins) * (config.sample_rate / config.n_fft)
    place = torch.log1p(frequency / 700)
    place = place / place[-1] * (config.bands - 1)  # [bins], in bands
    return (1 - (place - torch.arange(config.bands)[:, None]).abs()).clamp(min=0)
