"""The generator of sound: latent frames to mel spectra by transposed convolutions that stream, and its judge.

A latent frame becomes 8 frames of a spectrum, 85 ms at 48 kHz. Rows are doubled by each of four layers, from 8 to the
128 bands, and time by the first three. The first two layers don't reach from one latent frame into the next, so no more
than one frame of the past is heard in a new one: a chunk that begins at zeros, with one latent frame of context whose
output is thrown away, is to the last bit what the stream would have made there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.layers import CausalConv1d
from export.planes import ConvTranspose2d
from export.streaming import Chain

CONTEXT = 1
"""Latent frames before a chunk that it depends on."""

ROWS = 8
"""Of the first layer; four times doubled they are the bands."""

BANDS = 16 * ROWS
FRAMES = 8
"""Frames of the spectrum that a latent frame becomes."""

SLOPE = 0.2
_KERNELS = ((4, 2), (4, 4), (4, 4), (4, 3))  # over rows and frames
_STRIDES = ((2, 2), (2, 2), (2, 2), (2, 1))


class PlaneNorm(nn.Module):
    """Batch norm of each channel over all its rows and frames: [batch, channels * rows, frames], the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise."""
        batch, width, frames = x.shape
        made: Tensor = self.norm(x.reshape(batch, self.channels, width // self.channels, frames))
        return made.flatten(1, 2)


class EndlessGenerator(Chain):
    """Latents [batch, latent, frames] → spectra from -1 to 1, [batch, 128, 8 * frames]; streams in `eval()`."""

    def __init__(self, latent: int, filters: int) -> None:
        channels = [8 * filters, 4 * filters, 2 * filters, filters, 1]
        layers: list[nn.Module] = [
            CausalConv1d(latent, channels[0] * ROWS, 1, bias=False),
            PlaneNorm(channels[0]),
            nn.ReLU(),
        ]
        for k, (kernel, stride) in enumerate(zip(_KERNELS, _STRIDES, strict=True)):
            last = k == len(_KERNELS) - 1
            layers.append(ConvTranspose2d(channels[k], channels[k + 1], ROWS << k, kernel, stride=stride, bias=last))
            layers += [nn.Tanh()] if last else [PlaneNorm(channels[k + 1]), nn.ReLU()]
        super().__init__(*layers)


class EndlessJudge(nn.Module):
    """Spectra [batch, 128, frames] → how real they look, place by place: logits [batch, places].

    Frames are a multiple of 16, 32 at least. The last layer is told by how much the spectra of a batch differ from each
    other, so that a generator which always makes the same is found out (Karras et al., "Progressive Growing of GANs",
    ICLR 2018, section 3).
    """

    def __init__(self, filters: int) -> None:
        super().__init__()
        channels = [1, filters, 2 * filters, 4 * filters, 8 * filters]
        layers: list[nn.Module] = []
        for k in range(4):
            layers.append(nn.Conv2d(channels[k], channels[k + 1], 4, stride=2, padding=1, bias=k == 0))
            layers += [nn.BatchNorm2d(channels[k + 1])] if k else []
            layers.append(nn.LeakyReLU(SLOPE))
        self.layers = nn.Sequential(*layers)
        self.last = nn.Conv2d(channels[-1] + 1, 1, (ROWS, 2))

    def forward(self, spectra: Tensor) -> Tensor:
        """Judge."""
        seen = self.layers(spectra[:, None])  # [batch, 8 filters, 8, frames / 16]
        spread = torch.sqrt(seen.var(dim=0, correction=0) + 1e-8).mean()
        seen = torch.cat([seen, spread.expand(len(seen), 1, *seen.shape[2:])], dim=1)
        made: Tensor = self.last(seen)
        return made.flatten(1)


def start(network: nn.Module, random: torch.Generator) -> None:
    """Draw the weights that a DCGAN begins with: N(0, 0.02), and N(1, 0.02) for the scales of batch norm."""
    for module in network.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d):
            module.weight.data.normal_(0.0, 0.02, generator=random)
            if module.bias is not None:
                module.bias.data.zero_()
        elif isinstance(module, nn.BatchNorm2d):
            module.weight.data.normal_(1.0, 0.02, generator=random)
            module.bias.data.zero_()


def scores_to_loss(logits: Tensor, real: Tensor | bool) -> Tensor:
    """Give the cross-entropy of logits [batch, places] where the batch is all real, all made, or as it says."""
    wanted = torch.full((len(logits),), float(real)) if isinstance(real, bool) else real.float()
    logits = logits.float()
    return F.binary_cross_entropy_with_logits(logits, wanted.to(logits)[:, None].expand_as(logits))
