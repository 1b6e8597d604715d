"""Containers of streaming layers, and wrappers of torch modules that work sample by sample.

`Chain` adds the delays of its layers up, across changes of rate; `Branches` and `Residual` align parallel branches.
See `export.streaming.layer_base` for the properties that all layers share.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from export.streaming.layer_base import Layer, StreamingError


class Delay(Layer):
    """Delays a stream, to align it with another; a whole signal passes unchanged."""

    past: Tensor

    def __init__(self, channels: int, samples: int) -> None:
        super().__init__(delay=samples, inputs=channels, outputs=channels)
        if samples < 1:
            raise StreamingError(f"A Delay must have at least 1 sample, not {samples}; leave it out.")
        self.add_cache("past", 1, channels, samples)

    def offline(self, x: Tensor) -> Tensor:
        """Return the signal unchanged."""
        return x

    def stream(self, x: Tensor) -> Tensor:
        """Return the input of `delay` samples ago."""
        joined = torch.cat([self.past, x], dim=2)
        count = x.shape[2]
        self.update_cache("past", joined[:, :, count:])
        return joined[:, :, :count]


class Pointwise(Layer):
    """Wraps a torch module that processes each sample independently: activations, batch norm, convolutions of kernel 1.

    The module is run to check this. Batch norm uses its running statistics in `eval()`, so it is a scale and a shift.

    Raises
    ------
    StreamingError
        The module mixes samples, or changes their number.
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
    """Layers in sequence.

    Torch modules that work sample by sample can be given as they are (see `Pointwise`); an `nn.Sequential` is unpacked.
    Where a layer takes several samples a step and the delay before it is not a multiple of them, a `Delay` is inserted.

    Parameters
    ----------
    layers
        The layers; without any, the signal passes unchanged.
    channels
        Input channels, if the first layer doesn't determine them.

    Raises
    ------
    StreamingError
        A module is not a layer and mixes samples, or the channels of two layers don't match.
    """

    def __init__(self, *layers: nn.Module, channels: int | None = None) -> None:
        stack: list[Layer] = []
        now, takes, gives, delay = channels, 1, 1, 0
        for given in _unpacked(layers):
            layer = as_layer(given, now)
            if now is not None and layer.inputs not in (None, now):
                raise StreamingError(f"{type(given).__name__} takes {layer.inputs} channels, not {now}.")
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
        """Run the layers in sequence."""
        for layer in self.layers:
            x = layer(x)
        return x

    def stream(self, x: Tensor) -> Tensor:
        """Run the layers in sequence."""
        return self.offline(x)


class Branches(Layer):
    """Layers in parallel on the same input, aligned to the largest delay; their outputs are summed or concatenated.

    Parameters
    ----------
    branches
        Layers, or modules that `Chain` accepts; all of the same ratio.
    join : {"sum", "concatenate"}
        How the outputs are joined; they are concatenated along the channels.
    channels
        Input channels, if no branch determines them.

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
        wrapped = [as_layer(branch, inputs) for branch in branches]
        if not wrapped:
            raise StreamingError("Branches needs at least one branch.")
        if len({branch.ratio for branch in wrapped}) > 1:
            found = ", ".join(str(branch.ratio) for branch in wrapped)
            raise StreamingError(f"Branches that are joined must have the same ratio, not {found}.")
        if len({branch.inputs for branch in wrapped} - {None}) > 1:
            raise StreamingError("Branches that are joined must take the same number of channels.")
        latest = max(branch.delay for branch in wrapped)
        made = [inputs if branch.outputs is None else branch.outputs for branch in wrapped]
        if join == "sum" and len(set(made)) > 1:
            raise StreamingError(f"Branches that are summed must have the same number of output channels, not {made}.")
        takes = math.lcm(*(branch.takes for branch in wrapped))
        outputs = made[0] if join == "sum" else None if None in made else sum(count or 0 for count in made)
        super().__init__(takes=takes, gives=int(takes * wrapped[0].ratio), delay=latest, inputs=inputs, outputs=outputs)
        self.join = join
        self.branches = nn.ModuleList(
            branch
            if branch.delay == latest
            else Chain(branch, Delay(_require_channels(count, "Branches"), latest - branch.delay))
            for branch, count in zip(wrapped, made, strict=True)
        )

    def offline(self, x: Tensor) -> Tensor:
        """Run all branches, and join their outputs."""
        made: list[Tensor] = [branch(x) for branch in self.branches]
        if self.join == "concatenate":
            return torch.cat(made, dim=1)
        total = made[0]
        for other in made[1:]:
            total = total + other
        return total

    def stream(self, x: Tensor) -> Tensor:
        """Run all branches, and join their outputs."""
        return self.offline(x)


class Residual(Branches):
    """A residual connection: `x + layers(x)`, with `x` delayed by as much as the layers."""

    def __init__(self, *layers: nn.Module, channels: int | None = None) -> None:
        body = Chain(*layers, channels=channels)
        super().__init__(Chain(channels=body.inputs), body)


def as_layer(module: nn.Module, channels: int | None = None) -> Layer:
    """Wrap a torch module as a layer.

    Returns
    -------
    Layer
        The module itself if it is a layer, a `Chain` for an `nn.Sequential`, a `Pointwise` for any other module.

    Raises
    ------
    StreamingError
        The module mixes samples, or contains streaming layers and has no delay of its own.
    """
    if isinstance(module, Layer):
        return module
    if isinstance(module, nn.Sequential):
        return Chain(*module, channels=channels)
    if any(isinstance(inner, Layer) for inner in module.modules()):
        raise StreamingError(
            f"{type(module).__name__} contains streaming layers, but their delay is unknown; "
            "build it with Chain, Branches and Residual."
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
        raise StreamingError(f"{kind} needs a delay for an unknown number of channels; give `channels`.")
    return channels


def _input_channels(module: nn.Module) -> int | None:
    """Return the input channels of a torch module, if it has them as an attribute."""
    for name in ("in_channels", "num_features"):
        if isinstance(count := getattr(module, name, None), int):
            return count
    return None


def _output_channels(module: nn.Module, channels: int | None) -> int | None:
    """Check by running it that a module processes each sample independently; return its output channels."""
    kind, given = type(module).__name__, 2 if channels is None else channels
    mixing_error = StreamingError(
        f"{kind} mixes samples or draws random numbers, and is not a streaming layer; "
        "use a layer of export.streaming instead."
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
        raise mixing_error from None
    finally:
        for inner, training in modes.items():
            inner.training = training
    if not isinstance(once, Tensor) or once.dim() != 3 or [part.shape[2:] for part in parts] != [(4,), (1,), (4,)]:
        raise mixing_error
    still = all(torch.equal(kept[name], buffer) for name, buffer in module.named_buffers())
    if not still or not torch.allclose(once, torch.cat(parts, dim=2), atol=1e-6):
        raise mixing_error
    if channels is None and once.shape[1] != given:
        raise StreamingError(
            f"{kind} changes the number of channels, and its input channels are unknown; give `channels`."
        )
    return None if channels is None else once.shape[1]
