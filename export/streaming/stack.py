"""Torch architectures that stream: what a layer says of itself, and how layers are put together.

A layer has two ways to run. In training it sees a whole signal at once, padded at its ends as any torch layer pads
(`offline`). In `eval()` it takes a stream, a portion at a time, and keeps between two portions what it still needs, in
buffers: any cut of the same signal gives the same samples. A layer that looks ahead waits instead, so its stream gives
what `offline` gives, `delay` samples later; both agree as soon as the stream has run for as long as the layers reach.

Layers lie in `export.streaming.layers` and `export.streaming.stft`; `Chain`, `Branches` and `Residual` add their
delays up and make
parallel ways equally late. `export.streaming.explicit_state.explicit` makes of any of it what `export.torch_export`
writes to a file.

Shapes: `[batch, channels, samples]`, and where a sample has rows of its own, as in
`export.streaming.conv2d_streaming`, `[batch, channels, samples, rows]`; a stream has a batch of one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from export.streaming.layer import Layer, StreamingError


class Delay(Layer):
    """Waits, so that one way is as late as another; a whole signal goes through as it is."""

    past: Tensor

    def __init__(self, channels: int, samples: int) -> None:
        super().__init__(delay=samples, inputs=channels, outputs=channels)
        if samples < 1:
            raise StreamingError(f"Delay waits for at least 1 sample, not {samples}; leave it out.")
        self.keep("past", 1, channels, samples)

    def offline(self, x: Tensor) -> Tensor:
        """Let it through."""
        return x

    def stream(self, x: Tensor) -> Tensor:
        """Give what came `delay` samples ago."""
        joined = torch.cat([self.past, x], dim=2)
        count = x.shape[2]
        self.carry("past", joined[:, :, count:])
        return joined[:, :, :count]


class Pointwise(Layer):
    """Wraps a torch module that works on each sample by itself: activations, batch norm, convolutions of kernel 1.

    Whether it does is tried out, not believed: a module that mixes samples is refused. Batch norm keeps its running
    statistics in `eval()`, so there it is a scale and a shift.

    Raises
    ------
    StreamingError
        The module looks at more than one sample, or changes their number.
    """

    def __init__(self, module: nn.Module, channels: int | None = None) -> None:
        inputs = _input_channels(module)
        super().__init__(inputs=inputs, outputs=_output_channels(module, channels if inputs is None else inputs))
        self.module = module

    def offline(self, x: Tensor) -> Tensor:
        """Run the module."""
        made: Tensor = self.module(x)
        return made

    def stream(self, x: Tensor) -> Tensor:
        """Run the module."""
        return self.offline(x)


class Chain(Layer):
    """Layers one after the other.

    Torch modules that work sample by sample may stand between layers as they are (see `Each`), and `nn.Sequential` is
    taken apart. Where a layer takes several samples at a time and what comes before is not late by a multiple of them,
    a `Delay` is put in between.

    Parameters
    ----------
    layers
        The stack; none lets everything through.
    channels
        What goes in, where the first layer doesn't say.

    Raises
    ------
    StreamingError
        A module is no layer and mixes samples, or the channels of two layers don't fit.
    """

    def __init__(self, *layers: nn.Module, channels: int | None = None) -> None:
        stack: list[Layer] = []
        now, takes, gives, delay = channels, 1, 1, 0
        for given in _unpacked(layers):
            layer = as_layer(given, now)
            if now is not None and layer.inputs not in (None, now):
                raise StreamingError(f"{type(given).__name__} takes {layer.inputs} channels, and is given {now}.")
            now = layer.inputs if now is None else now
            if missing := -delay % layer.takes:
                stack.append(Delay(_require_channels(now, "Chain"), missing))
                delay += missing
            more = math.lcm(gives, layer.takes) // gives
            takes, gives = takes * more, gives * more // layer.takes * layer.gives
            delay = delay // layer.takes * layer.gives + layer.delay
            now = now if layer.outputs is None else layer.outputs
            stack.append(layer)
        first = next((layer.inputs for layer in stack if layer.inputs is not None), None)
        super().__init__(
            takes=takes, gives=gives, delay=delay, inputs=first if channels is None else channels, outputs=now
        )
        self.layers = nn.ModuleList(stack)

    def offline(self, x: Tensor) -> Tensor:
        """Run the layers one after the other."""
        for layer in self.layers:
            x = layer(x)
        return x

    def stream(self, x: Tensor) -> Tensor:
        """Run the layers one after the other."""
        return self.offline(x)


class Branches(Layer):
    """Layers side by side on the same input, all as late as the latest; their outputs are summed or laid on each other.

    Parameters
    ----------
    branches
        Layers, or modules that `Chain` takes; all of the same ratio.
    join
        `sum`, or `concatenate` along the channels.
    channels
        What goes in, where no branch says.

    Raises
    ------
    StreamingError
        The ratios or channels of two branches differ.
    """

    def __init__(
        self, *branches: nn.Module, join: Literal["sum", "concatenate"] = "sum", channels: int | None = None
    ) -> None:
        said = (layer.inputs for layer in branches if isinstance(layer, Layer))
        inputs = next((found for found in said if found is not None), None) if channels is None else channels
        ways = [as_layer(branch, inputs) for branch in branches]
        if not ways:
            raise StreamingError("Branches needs at least one branch.")
        if len({way.ratio for way in ways}) > 1:
            found = ", ".join(str(way.ratio) for way in ways)
            raise StreamingError(f"Branches that are joined must have the same ratio, and theirs are {found}.")
        if len({way.inputs for way in ways} - {None}) > 1:
            raise StreamingError("Branches that are joined must take the same number of channels.")
        latest = max(way.delay for way in ways)
        made = [inputs if way.outputs is None else way.outputs for way in ways]
        if join == "sum" and len(set(made)) > 1:
            raise StreamingError(f"Branches that are summed must give as many channels, and give {made}.")
        takes = math.lcm(*(way.takes for way in ways))
        outputs = made[0] if join == "sum" else None if None in made else sum(count or 0 for count in made)
        super().__init__(takes=takes, gives=int(takes * ways[0].ratio), delay=latest, inputs=inputs, outputs=outputs)
        self.join = join
        self.branches = nn.ModuleList(
            way if way.delay == latest else Chain(way, Delay(_require_channels(count, "Branches"), latest - way.delay))
            for way, count in zip(ways, made, strict=True)
        )

    def offline(self, x: Tensor) -> Tensor:
        """Run all branches, and join what they give."""
        made: list[Tensor] = [branch(x) for branch in self.branches]
        if self.join == "concatenate":
            return torch.cat(made, dim=1)
        total = made[0]
        for other in made[1:]:
            total = total + other
        return total

    def stream(self, x: Tensor) -> Tensor:
        """Run all branches, and join what they give."""
        return self.offline(x)


class Residual(Branches):
    """What goes in, added to what `layers` make of it: `x + layers(x)`, with `x` as late as they are."""

    def __init__(self, *layers: nn.Module, channels: int | None = None) -> None:
        body = Chain(*layers, channels=channels)
        super().__init__(Chain(channels=body.inputs), body)


def as_layer(module: nn.Module, channels: int | None = None) -> Layer:
    """Give a layer as it is, a sequence as a `Chain`, and another torch module as an `Each`.

    Raises
    ------
    StreamingError
        The module mixes samples, or hides layers whose delays it doesn't tell.
    """
    if isinstance(module, Layer):
        return module
    if isinstance(module, nn.Sequential):
        return Chain(*module, channels=channels)
    if any(isinstance(inner, Layer) for inner in module.modules()):
        raise StreamingError(
            f"{type(module).__name__} holds streaming layers and doesn't tell their delay; "
            "build it of Chain, Branches and Residual."
        )
    return Pointwise(module, channels)


def _unpacked(layers: Sequence[nn.Module]) -> Iterator[nn.Module]:
    for layer in layers:
        if isinstance(layer, nn.Sequential):
            yield from _unpacked(list(layer))
        else:
            yield layer


def _require_channels(channels: int | None, kind: str) -> int:
    if channels is None:
        raise StreamingError(f"{kind} must hold samples back, and doesn't know of how many channels; give `channels`.")
    return channels


def _input_channels(module: nn.Module) -> int | None:
    """Read off a module how many channels it takes, where it says."""
    for name in ("in_channels", "num_features"):
        if isinstance(count := getattr(module, name, None), int):
            return count
    return None


def _output_channels(module: nn.Module, channels: int | None) -> int | None:
    """Try whether a module works on each sample by itself, and count the channels that it gives."""
    kind, given = type(module).__name__, 2 if channels is None else channels
    mixes = StreamingError(
        f"{kind} looks at more than one sample at a time, or draws random numbers, and is no streaming layer; "
        "use one of export.streaming.layers or export.streaming.stft for it."
    )
    modes = {inner: inner.training for inner in module.modules()}
    kept = {name: buffer.clone() for name, buffer in module.named_buffers()}
    module.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            x = torch.randn(1, given, 9)
            once = module(x)
            parts = [module(part) for part in (x[:, :, :4], x[:, :, 4:5], x[:, :, 5:])]
    except (RuntimeError, ValueError, TypeError, NotImplementedError):
        raise mixes from None
    finally:
        for inner, training in modes.items():
            inner.training = training
    if not isinstance(once, Tensor) or once.dim() != 3 or [part.shape[2:] for part in parts] != [(4,), (1,), (4,)]:
        raise mixes
    still = all(torch.equal(kept[name], buffer) for name, buffer in module.named_buffers())
    if not still or not torch.allclose(once, torch.cat(parts, dim=2), atol=1e-6):
        raise mixes
    if channels is None and once.shape[1] != given:
        raise StreamingError(f"{kind} changes the number of channels, and doesn't know of how many; give `channels`.")
    return None if channels is None else once.shape[1]
