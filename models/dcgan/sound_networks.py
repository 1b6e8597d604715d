"""Networks for endless sound: a streaming generator from latents to mel spectra, and its discriminator.

Each of four transposed convolutions doubles the rows, from 8 to the 128 bands. Frames are never stretched, so every
frame is computed in the same way. Three of the layers are causal convolutions over time, with a reach of `CONTEXT`
frames in all: a chunk that starts from zeros, with that many frames of context whose output is discarded, equals the
stream within rounding.

Beside its latents a frame gets `GRAIN` values of noise, new ones in each frame, for sounds that vary from frame to
frame such as breath and bow noise. In training they are drawn with the latents. A model file holds two loops of noise,
whose sum repeats after half a day, and a frame counter.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from export.streaming.conv1d_streaming import CausalConv1d
from export.streaming.conv2d_streaming import ConvTranspose2d, MergeRows, SplitRows
from export.streaming.layer_base import Layer, whole_signals
from export.streaming.stack import Chain

ROWS = 8
"""Rows of the first layer; doubled four times they are the bands."""

BANDS = 16 * ROWS
GRAIN = 32
"""Noise values of a frame."""

SLOPE = 0.2
_KERNELS = ((4, 1), (4, 3), (4, 3), (4, 3))  # over rows and frames
_STRIDE = (2, 1)

CONTEXT = sum(frames - 1 for _, frames in _KERNELS)
"""Frames before a chunk that influence it."""

LOOPS = 2039, 2029
"""Lengths of the noise loops in a model file, frames; primes, so that their sum has a long period."""
_GRAIN_SEED = 0


class PlaneNorm(Layer):
    """Batch norm of each channel over all its rows and frames: [batch, channels, frames, rows], the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__(inputs=channels, outputs=channels)
        self.norm = nn.BatchNorm2d(channels)

    def offline(self, x: Tensor) -> Tensor:
        """Normalise."""
        made: Tensor = self.norm(x)
        return made

    def stream(self, x: Tensor) -> Tensor:
        """Normalise."""
        return self.offline(x)


class EndlessGenerator(Chain):
    """Latents and grain [batch, latent + GRAIN, frames] → spectra from -1 to 1, [batch, 128, frames]; streams."""

    def __init__(self, latent: int, filters: int) -> None:
        channels = [8 * filters, 4 * filters, 2 * filters, filters, 1]
        layers: list[nn.Module] = [
            CausalConv1d(latent + GRAIN, channels[0] * ROWS, 1, bias=False),
            SplitRows(channels[0], ROWS),
            PlaneNorm(channels[0]),
            nn.ReLU(),
        ]
        for k, kernel in enumerate(_KERNELS):
            last = k == len(_KERNELS) - 1
            layers.append(ConvTranspose2d(channels[k], channels[k + 1], ROWS << k, kernel, stride=_STRIDE, bias=last))
            layers += [nn.Tanh()] if last else [PlaneNorm(channels[k + 1]), nn.ReLU()]
        super().__init__(*layers, MergeRows(1, BANDS))
        self.latent = latent


class Grain(Layer):
    """The noise of a stream: any tensor [batch, channels, frames] → noise [batch, GRAIN, frames]."""

    count: Tensor
    first: Tensor
    second: Tensor

    def __init__(self) -> None:
        super().__init__(outputs=GRAIN)
        random = torch.Generator().manual_seed(_GRAIN_SEED)
        for name, frames in zip(("first", "second"), LOOPS, strict=True):
            self.register_buffer(name, torch.randn(frames, GRAIN, generator=random) / len(LOOPS) ** 0.5)
        self.add_cache("count", 1)

    def offline(self, x: Tensor) -> Tensor:
        """Begin at the start of the loops."""
        return self._from(torch.zeros_like(self.count), x)[0]

    def stream(self, x: Tensor) -> Tensor:
        """Continue from the stream's position."""
        made, count = self._from(self.count, x)
        self.update_cache("count", count)
        return made

    def _from(self, count: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        places = count + torch.cumsum(torch.ones_like(x[0, 0]), dim=0)  # [frames], from 1 on
        parts = [
            loop.index_select(0, torch.fmod(places, len(loop)).long()) for loop in (self.first, self.second)
        ]  # [frames, GRAIN] each
        made = (parts[0] + parts[1]).T[None]  # [1, GRAIN, frames]
        return made.expand(x.shape[0], -1, -1), torch.fmod(places[-1:], LOOPS[0] * LOOPS[1])


@torch.no_grad()
def generate(generator: EndlessGenerator, latents: Tensor) -> Tensor:
    """Generate spectra [batch, 128, frames] from latents [batch, latent, frames] at once, with the stage's grain."""
    generator.eval()
    with whole_signals(generator):
        made: Tensor = generator(torch.cat([latents, Grain().to(latents.device).offline(latents)], dim=1))
    return made


class EndlessDiscriminator(nn.Module):
    """Rates spectra [batch, 128, frames], real or made, place by place: logits [batch, places].

    The number of frames is a multiple of 16, at least 32. The last layer also gets the standard deviation of its input
    over the batch, so that a generator that always makes the same spectrum is detected (Karras et al., "Progressive
    Growing of GANs", ICLR 2018, section 3).
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
        """Compute the logits."""
        seen = self.layers(spectra[:, None])  # [batch, 8 filters, 8, frames / 16]
        spread = torch.sqrt(seen.var(dim=0, correction=0) + 1e-8).mean()
        seen = torch.cat([seen, spread.expand(len(seen), 1, *seen.shape[2:])], dim=1)
        made: Tensor = self.last(seen)
        return made.flatten(1)
