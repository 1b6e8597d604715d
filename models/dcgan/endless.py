"""The generator of sound: latents to mel spectra, a frame at a time, by transposed convolutions that stream; its judge.

Rows are doubled by each of four layers, from 8 to the 128 bands; frames are never stretched, so every frame is made in
the same way, and none can be told from its neighbours by when it was made. Three of the layers look back, over
`CONTEXT` frames in all: a chunk that begins at zeros, with so many frames of context whose output is thrown away, is to
rounding what the stream would have made there.

Beside its latents a frame is given `GRAIN` numbers of noise, fresh ones each frame: what changes from frame to frame in
breath and in a bow has to come from somewhere. In training they are drawn with the latents. A model file holds two
loops of them, whose sum comes round in half a day, and a count that says where the stream stands.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.streaming.conv2d_streaming import ConvTranspose2d, MergeRows, SplitRows
from export.streaming.layer import Layer, whole_signals
from export.streaming.layers import CausalConv1d
from export.streaming.stack import Chain

ROWS = 8
"""Of the first layer; four times doubled they are the bands."""

BANDS = 16 * ROWS
GRAIN = 32
"""Numbers of noise that a frame is given."""

SLOPE = 0.2
_KERNELS = ((4, 1), (4, 3), (4, 3), (4, 3))  # over rows and frames
_STRIDE = (2, 1)

CONTEXT = sum(frames - 1 for _, frames in _KERNELS)
"""Frames before a chunk that it depends on."""

LOOPS = 2039, 2029
"""Frames of the loops of noise that a model file holds; primes, so that what they add up to doesn't come round soon."""
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
        """Normalise as was learned."""
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
    """The noise of a stream: any tensor [batch, channels, frames] → [batch, GRAIN, frames]."""

    count: Tensor
    first: Tensor
    second: Tensor

    def __init__(self) -> None:
        super().__init__(outputs=GRAIN)
        random = torch.Generator().manual_seed(_GRAIN_SEED)
        for name, frames in zip(("first", "second"), LOOPS, strict=True):
            self.register_buffer(name, torch.randn(frames, GRAIN, generator=random) / len(LOOPS) ** 0.5)
        self.keep("count", 1)

    def offline(self, x: Tensor) -> Tensor:
        """Begin where the loops begin."""
        return self._from(torch.zeros_like(self.count), x)[0]

    def stream(self, x: Tensor) -> Tensor:
        """Go on from where the stream stands."""
        made, count = self._from(self.count, x)
        self.carry("count", count)
        return made

    def _from(self, count: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        places = count + torch.cumsum(torch.ones_like(x[0, 0]), dim=0)  # [frames], from 1 on
        parts = [
            loop.index_select(0, torch.fmod(places, len(loop)).long()) for loop in (self.first, self.second)
        ]  # [frames, GRAIN] each
        made = (parts[0] + parts[1]).T[None]  # [1, GRAIN, frames]
        return made.expand(x.shape[0], -1, -1), torch.fmod(places[-1:], LOOPS[0] * LOOPS[1])


@torch.no_grad()
def led(generator: EndlessGenerator, way: Tensor) -> Tensor:
    """Make the spectra [batch, 128, frames] of ways [batch, latent, frames] in one piece, with the stage's grain."""
    generator.eval()
    with whole_signals(generator):
        made: Tensor = generator(torch.cat([way, Grain().to(way.device).offline(way)], dim=1))
    return made


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
