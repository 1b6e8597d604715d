"""Networks for pictures: generator and discriminator.

Source: Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks" (ICLR 2016), figure 1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.dcgan.sound_networks import SLOPE

MIN_SIZE = 4
"""Largest height and width of the first layer's output."""


def levels(size: int) -> int:
    """Return how often a picture is halved: two for 8 or 16 pixels, three for 32."""
    count = 2
    while size >> count > MIN_SIZE:
        count += 1
    return count


def padded(size: int) -> int:
    """Return the next size that can be halved that often: 28 becomes 32."""
    step = 1 << levels(size)
    return -(-size // step) * step


class PictureGenerator(nn.Module):
    """Noise [batch, latent] → pictures from -1 to 1, [batch, channels, size, size]."""

    def __init__(self, latent: int, filters: int, channels: int, size: int) -> None:
        super().__init__()
        depth = levels(size)
        widths = [filters << k for k in range(depth)][::-1]
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(latent, widths[0], padded(size) >> depth, bias=False),  # 1 → smallest
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        ]
        for k in range(depth):
            last = k == depth - 1
            after = channels if last else widths[k + 1]
            layers.append(nn.ConvTranspose2d(widths[k], after, 4, stride=2, padding=1, bias=last))  # size doubles
            layers += [nn.Tanh()] if last else [nn.BatchNorm2d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """Make pictures."""
        made: Tensor = self.layers(z[:, :, None, None])
        return made


class PictureDiscriminator(nn.Module):
    """Rates pictures [batch, channels, size, size], real or made: logits [batch, 1]."""

    def __init__(self, filters: int, channels: int, size: int) -> None:
        super().__init__()
        depth = levels(size)
        layers: list[nn.Module] = []
        before = channels
        for k in range(depth):
            layers.append(nn.Conv2d(before, filters << k, 4, stride=2, padding=1, bias=k == 0))  # size halves
            layers += [nn.BatchNorm2d(filters << k)] if k else []
            layers.append(nn.LeakyReLU(SLOPE))
            before = filters << k
        layers.append(nn.Conv2d(before, 1, padded(size) >> depth))  # smallest → 1
        self.layers = nn.Sequential(*layers)

    def forward(self, pictures: Tensor) -> Tensor:
        """Compute the logits."""
        return torch.flatten(self.layers(pictures), 1)
