"""Helpers of the tests of streaming layers: chunks, delays measured by impulse, and random stacks."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from export.streaming.conv1d_streaming import CausalConv1d, Conv1d, ConvTranspose1d
from export.streaming.layer_base import Layer, reset_caches, whole_signals
from export.streaming.resample import Resample
from export.streaming.stack import Branches, Chain, Residual

TOLERANCE = 1e-5


def streamed(layer: Layer, x: Tensor, sizes: Sequence[int] | None = None) -> Tensor:
    """Stream a signal from silence, in chunks of `sizes` steps and one for the rest."""
    layer.eval()
    reset_caches(layer)
    steps = x.shape[2] // layer.takes
    made, at = [], 0
    with torch.no_grad():
        for size in [*(sizes or []), steps]:
            end = min(at + size, steps)
            if end > at:
                made.append(layer(x[:, :, at * layer.takes : end * layer.takes]))
            at = end
    return torch.cat(made, dim=2)


def offline(layer: Layer, x: Tensor) -> Tensor:
    """Run a layer over a whole signal in `eval()`."""
    layer.eval()
    with torch.no_grad(), whole_signals(layer):
        made: Tensor = layer(x)
    return made


def assert_streams(layer: Layer, x: Tensor, *cuts: Sequence[int]) -> None:
    """Check that all chunks give the same, and that the stream equals `offline`, exactly `delay` later.

    The output of a stack for silence before a signal differs from that for padding, so both are compared from where
    the stack no longer reaches back to the signal's begin; where that is, is measured.
    """
    once = streamed(layer, x)
    for sizes in cuts:
        assert (streamed(layer, x, sizes) - once).abs().max() <= TOLERANCE * max(1.0, float(once.abs().max()))
    expected = offline(layer, x)
    assert expected.shape == once.shape
    begin = settled(layer, x)
    count = once.shape[2] - layer.delay
    assert count - begin > 20, "the signal is too short to compare anything"
    gap = (once[:, :, layer.delay :] - expected[:, :, :count])[:, :, begin:]
    assert gap.abs().max() <= TOLERANCE * max(1.0, float(expected.abs().max()))


def settled(layer: Layer, x: Tensor) -> int:
    """Return the first output sample that doesn't depend on anything before the signal."""
    before = torch.randn(1, x.shape[1], 64 * layer.takes)
    longer = offline(layer, torch.cat([before, x], dim=2))[:, :, 64 * layer.gives :]
    moved = (longer - offline(layer, x)).abs().amax(dim=(0, 1)) > TOLERANCE / 10
    return int(moved.nonzero()[-1]) + 1 if bool(moved.any()) else 0


def measured_delay(layer: Layer, channels: int, *, steps: int = 96) -> int:
    """Measure the delay of the stream relative to `offline` with an impulse, in output samples."""
    silence = torch.zeros(1, channels, steps * layer.takes)
    struck = silence.clone()
    begin = steps // 2 * layer.takes
    struck[:, :, begin : begin + layer.takes] = 1.0  # a whole step: strides may leap over a single sample
    late = (streamed(layer, struck) - streamed(layer, silence))[0]
    there = (offline(layer, struck) - offline(layer, silence))[0]
    best = min(
        range(there.shape[1] // 2),
        key=lambda lag: float((late[:, lag:] - there[:, : there.shape[1] - lag]).abs().max()),
    )
    assert float((late[:, best:] - there[:, : there.shape[1] - best]).abs().max()) < TOLERANCE
    return best


def random_stack(seed: int, *, up: bool = True, down: bool = True, channels: int = 3) -> Chain:
    """Build a stack of one to five random layers: convolutions of all kinds, resampling, residuals and branches.

    `up` and `down` allow layers that increase or decrease the rate.
    """
    torch.manual_seed(seed)
    draw = random.Random(seed)
    kinds = ["conv", "causal", "torch", "residual", "branches", *["transposed"] * up, *["strided"] * down]
    kinds += ["resample"] * (up or down)
    layers: list[nn.Module] = []
    for _ in range(draw.randint(1, 5)):
        kind = draw.choice(kinds)
        if kind == "strided":
            kernel, stride, dilation = draw.randint(1, 5), draw.randint(2, 4), draw.randint(1, 3)
            padding = draw.randint(0, dilation * (kernel - 1))
            layers.append(Conv1d(channels, channels, kernel, stride=stride, dilation=dilation, padding=padding))
        elif kind == "transposed":
            stride, more = draw.randint(1, 4), draw.randint(0, 5)
            padding = draw.randint(0, more)
            layers.append(ConvTranspose1d(channels, channels, stride + more, stride=stride, padding=padding))
        elif kind == "resample":
            times = draw.randint(1, 3) if up else 1, draw.randint(1, 3) if down else 1
            layers.append(Resample(channels, *times, crossings=draw.randint(2, 6)))
        elif kind == "residual":
            layers.append(Residual(*[_plain(draw, channels) for _ in range(draw.randint(1, 3))], channels=channels))
        elif kind == "branches":
            ways = [
                Chain(*[_plain(draw, channels) for _ in range(draw.randint(0, 2))], channels=channels)
                for _ in range(draw.randint(2, 3))
            ]
            joined = Branches(*ways, join="concatenate", channels=channels)
            layers.append(draw.choice([Branches(*ways), Chain(joined, nn.Conv1d(channels * len(ways), channels, 1))]))
        else:
            layers.append(_plain(draw, channels, kind))
    return Chain(*layers, channels=channels)


def _plain(draw: random.Random, channels: int, kind: str | None = None) -> nn.Module:
    """Make a layer that keeps the rate."""
    kind = kind or draw.choice(["conv", "causal", "torch"])
    kernel, dilation = draw.randint(1, 7), draw.randint(1, 3)
    if kind == "conv":
        return Conv1d(channels, channels, kernel, dilation=dilation)
    if kind == "causal":
        return CausalConv1d(channels, channels, kernel, dilation=dilation)
    return draw.choice([nn.Tanh(), nn.LeakyReLU(0.2), nn.Conv1d(channels, channels, 1), _norm(channels)])


def _norm(channels: int) -> nn.BatchNorm1d:
    """Make a batch norm with statistics of some data."""
    norm = nn.BatchNorm1d(channels)
    with torch.no_grad():
        for _ in range(3):
            norm(2 * torch.randn(4, channels, 50) + 1)
        norm.weight.uniform_(0.5, 1.5)
        norm.bias.normal_()
    return norm
