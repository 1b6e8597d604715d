"""The networks of TraVeLGAN: generator, discriminators and siamese network.

The generator is a causal U-Net, so on stage it runs from frame to frame without boundaries. Its output is a change that
is added to its input, and an untrained one changes nothing. The other networks are used in training only, and see a
whole spectrogram.

Source: Amodio and Krishnaswamy, "TraVeLGAN: Image-to-Image Translation by Transformation Vector Learning" (2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from export.streaming.conv2d_streaming import CausalConv2d, ConvTranspose2d, MergeRows, SplitRows
from export.streaming.layer_base import Layer
from export.streaming.stack import Branches, Chain, Residual
from models.training.errors import ConfigError

KEPT = 0.95  # of the input's range, so that values at the floor or the ceiling can still change
_SLOPE = 0.2
_QUIET = 1e-3
_WIDTHS = (16, 32, 48, 64)
_GIST_WIDTH = 64  # of the layer over the statistics
_INAUDIBLE = -0.9  # a frame that has no band above
_MIDDLE, _SPREAD = -0.6, 0.45  # of spectra, roughly: networks learn faster from values around 0


@dataclass(frozen=True)
class GeneratorConfig:
    """Size of the generator.

    Attributes
    ----------
    bands
        Rows of the spectrogram.
    widths
        Channels of each level of the U-Net, the outermost first; each halves the rows.
    paced
        Levels, from the outermost, that also halve the frames.
    reach
        Dilations of the residual blocks of the innermost level, frames.
    """

    bands: int = 128
    widths: tuple[int, ...] = (16, 32, 48, 64)
    paced: int = 2
    reach: tuple[int, ...] = (1, 2)

    def __post_init__(self) -> None:
        """Check the sizes.

        Raises
        ------
        ConfigError
            The bands cannot be halved that often, or a number is out of range.
        """
        if not self.widths or min(*self.widths, self.bands) < 1 or min(self.reach, default=1) < 1:
            raise ConfigError("A generator needs at least one level, and at least one channel in each.")
        if self.bands % 2 ** len(self.widths):
            raise ConfigError(f"{len(self.widths)} levels cannot halve {self.bands} bands that often.")
        if not 0 <= self.paced <= len(self.widths):
            raise ConfigError(f"0 to {len(self.widths)} levels can halve the frames, not {self.paced}.")

    @property
    def pace(self) -> int:
        """Frames of a step of the generator."""
        return int(2**self.paced)


def generator(config: GeneratorConfig) -> Chain:
    """Build a generator: spectra [batch, bands, frames] from -1 to 1 → the same shape."""
    bands, (width, *_) = config.bands, config.widths
    kernel, stride = _outermost(config)
    back = width + (width if len(config.widths) > 1 else 0)
    change = ConvTranspose2d(back, 1, bands // 2, kernel, stride=stride)
    nn.init.zeros_(change.conv.weight)
    assert change.conv.bias is not None
    nn.init.zeros_(change.conv.bias)
    first = CausalConv2d(1, width, bands, kernel, stride=stride)
    body = Chain(_FromSilence(), first, nn.LeakyReLU(_SLOPE), _within(config, 0), change, channels=1)
    return Chain(
        SplitRows(1, bands), Branches(Chain(_Opened(), channels=1), body, join="sum"), nn.Tanh(), MergeRows(1, bands)
    )


def config_from_plain(data: dict[str, Any]) -> GeneratorConfig:
    """Read what `dataclasses.asdict` gives."""
    return GeneratorConfig(**{**data, "widths": tuple(data["widths"]), "reach": tuple(data["reach"])})


def _within(config: GeneratorConfig, depth: int) -> Layer:
    """Build the inside of a level of the U-Net: twice as many channels out as in, or as many in the innermost."""
    width, rows = config.widths[depth], config.bands // 2 ** (depth + 1)
    if depth + 1 == len(config.widths):
        return Chain(*(_block(width, rows, reach) for reach in config.reach), channels=width)
    wider, paced = config.widths[depth + 1], depth + 1 < config.paced
    stride = (2, 2 if paced else 1)
    down = CausalConv2d(width, wider, rows, (4, 4 if paced else 3), stride=stride)
    back = wider if depth + 2 == len(config.widths) else 2 * wider
    up = ConvTranspose2d(back, width, rows // 2, (4, 4 if paced else 2), stride=stride)
    way = Chain(
        *(down, ChannelNorm(wider, rows // 2), nn.LeakyReLU(_SLOPE)),
        _within(config, depth + 1),
        *(up, ChannelNorm(width, rows), nn.LeakyReLU(_SLOPE)),
    )
    return Branches(Chain(channels=width), way, join="concatenate", channels=width)


def _outermost(config: GeneratorConfig) -> tuple[tuple[int, int], tuple[int, int]]:
    """Kernel and stride of the outermost level, over rows and frames."""
    return ((4, 4), (2, 2)) if config.paced else ((4, 3), (2, 1))


def _block(width: int, rows: int, reach: int) -> Residual:
    first = CausalConv2d(width, width, rows, (3, 3), dilation=(1, reach))
    return Residual(first, ChannelNorm(width, rows), nn.LeakyReLU(_SLOPE), CausalConv2d(width, width, rows, (3, 1)))


class ChannelNorm(Layer):
    """Scales the channels at each row of a frame to a mean square of 1, with learned gains, and offsets for each row.

    Nothing is averaged over time or over the batch, so chunked equals whole. Source: Karras et al., "Progressive
    Growing of GANs" (2018), section 4.2, pixelwise feature normalisation.
    """

    def __init__(self, channels: int, rows: int) -> None:
        super().__init__(inputs=channels, outputs=channels)
        self.gain = nn.Parameter(torch.ones(channels, 1, 1))
        self.offset = nn.Parameter(torch.zeros(channels, 1, rows))

    def offline(self, x: Tensor) -> Tensor:
        """[batch, channels, frames, rows] → the same."""
        power = (x * x).mean(dim=1, keepdim=True)
        return x / torch.sqrt(power + _QUIET) * self.gain + self.offset

    def stream(self, x: Tensor) -> Tensor:
        """[1, channels, frames, rows] → the same."""
        return self.offline(x)


class _FromSilence(nn.Module):
    """Shifts spectra so that silence is 0, the padding value of convolutions."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 1


class _Opened(nn.Module):
    """Inverts the final `tanh`: x → atanh(KEPT x)."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.atanh(KEPT * x.clamp(-1, 1))


class Discriminator(nn.Module):
    """Rates each region of a spectrogram, target domain or not: [batch, bands, frames] → logits [batch, regions].

    Parameters
    ----------
    spectral
        Whether to use spectral normalisation (Miyato et al., 2018); if not, batch norm, which learns to separate the
        domains several times faster.
    """

    def __init__(self, *, spectral: bool) -> None:
        super().__init__()
        self.trunk = _trunk(spectral=spectral, normed=not spectral)
        last = nn.Conv2d(_WIDTHS[-1], 1, 3, padding=1)
        self.last = spectral_norm(last) if spectral else last

    def forward(self, x: Tensor) -> Tensor:
        """[batch, bands, frames] → [batch, regions]."""
        made: Tensor = self.last(self.trunk(_centred(x)))  # [batch, 1, bands / 16, frames / 16]
        return made.flatten(1)


class Gist(nn.Module):
    """Rates the statistics of a whole spectrogram, target domain or not: [batch, bands, frames] → logits [batch, 1].

    Its input is the mean, deviation, rise and fall of each band (see `spectral_statistics`), without positions, notes
    or level. So it detects differences that no single region shows, such as a tilted spectrum or a fast decay.
    """

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            spectral_norm(nn.Linear(4 * bands, _GIST_WIDTH)),
            nn.LeakyReLU(_SLOPE),
            spectral_norm(nn.Linear(_GIST_WIDTH, 1)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[batch, bands, frames] → [batch, 1]."""
        made: Tensor = self.layers(spectral_statistics(x))
        return made


def spectral_statistics(x: Tensor) -> Tensor:
    """Compute statistics of the audible frames of spectra, without their level.

    Parameters
    ----------
    x : Tensor [shape=(batch, bands, frames)]
        Spectra from −1 to 1.

    Returns
    -------
    statistics : Tensor [shape=(batch, 4 * bands)]
        Mean, deviation, rise and fall of each band, scaled to similar ranges.
    """
    audible = (x.amax(dim=1, keepdim=True) > _INAUDIBLE).to(x)  # [batch, 1, frames]
    count = audible.sum(dim=2).clamp(min=1)  # [batch, 1]
    beside = (x - x.mean(dim=1, keepdim=True)) * audible
    mean = beside.sum(dim=2) / count  # [batch, bands]
    apart = ((beside - mean[:, :, None]) * audible).square().sum(dim=2) / count
    change = x.diff(dim=2) * audible[:, :, 1:]
    rise, fall = (F.relu(way).sum(dim=2) / count for way in (change, -change))
    return torch.cat([2 * mean, 4 * torch.sqrt(apart + 1e-6), 20 * rise, 20 * fall], dim=1)


class Siamese(nn.Module):
    """Embeds spectrograms as vectors: [batch, bands, frames] → [batch, size]."""

    def __init__(self, bands: int, frames: int, size: int) -> None:
        super().__init__()
        self.trunk = _trunk()
        self.last = nn.Conv2d(_WIDTHS[-1], _WIDTHS[-1], 4, 2, 1)
        self.embedding = nn.Linear(_WIDTHS[-1] * (bands // 32) * (frames // 32), size)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, bands, frames] → [batch, size]."""
        deep = F.leaky_relu(self.last(self.trunk(_centred(x))), _SLOPE)  # [batch, channels, bands / 32, frames / 32]
        made: Tensor = self.embedding(deep.flatten(1))
        return made


def _centred(x: Tensor) -> Tensor:
    """[batch, bands, frames] → [batch, 1, bands, frames]."""
    return (x[:, None] - _MIDDLE) / _SPREAD


def _trunk(*, spectral: bool = False, normed: bool = False) -> nn.Sequential:
    layers: list[nn.Module] = []
    inputs = 1
    for width in _WIDTHS:
        conv = nn.Conv2d(inputs, width, 4, 2, 1)
        layers.append(spectral_norm(conv) if spectral else conv)
        if normed and layers[1:]:
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.LeakyReLU(_SLOPE))
        inputs = width
    return nn.Sequential(*layers)


def parameters(module: nn.Module) -> int:
    """Count the weights."""
    return sum(weight.numel() for weight in module.parameters())
