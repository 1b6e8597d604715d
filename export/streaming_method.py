"""A stack of streaming layers as a method of a model file, with hop, channels and delay from its layers."""

from __future__ import annotations

import torch

from export.errors import ContractError
from export.format.card import AUDIO_IN, Method
from export.streaming.explicit_state import with_explicit_state
from export.streaming.layer_base import Layer, reset_caches
from export.torch_export import TorchMethod


def streaming_method(name: str, layer: Layer, *, hop: int | None = None) -> TorchMethod:
    """Make a method from a streaming layer or stack, starting from silence.

    Parameters
    ----------
    name : {"decode", "encode", "transform", "prior"}
        The method; it determines whether input and output are audio.
    layer : Layer
        `decode` outputs a hop of audio for each latent frame, `encode` the reverse, `transform` as much audio as it
        takes.
    hop : int, optional
        Samples a step of a `transform`, a multiple of `layer.takes`. The hop of other methods follows from the layer.

    Returns
    -------
    TorchMethod
        For `export.torch_export.export`.

    Raises
    ------
    ContractError
        The ratio or the hop doesn't fit the method, or the layer's number of channels is unknown.
    """
    audio_in, audio_out = name in AUDIO_IN, name in ("decode", "transform")
    taken, given = layer.takes if audio_in else 1, layer.gives if audio_out else 1
    kind = type(layer).__name__
    if (taken, given) != (layer.takes, layer.gives) or (audio_in and audio_out and taken != given):
        raise ContractError(
            f"{kind} takes at least {layer.takes} samples and gives {layer.gives}, which doesn't fit '{name}'; "
            "it must take or give one latent frame a step, or for a 'transform' as much audio as it takes."
        )
    if layer.inputs is None or layer.outputs is None:
        raise ContractError(f"The number of channels of {kind} is unknown; build it with `channels`.")
    if audio_in and audio_out and layer.inputs != layer.outputs:
        raise ContractError(
            f"A 'transform' must give as many channels as it takes, but {kind} takes {layer.inputs} and gives "
            f"{layer.outputs}."
        )
    channels = layer.outputs if name == "decode" else layer.inputs
    least = max(taken, given)
    hop = least if hop is None else hop
    if hop < 1 or hop % least or (hop != least and not (audio_in and audio_out)):
        raise ContractError(
            f"The hop of this '{name}' must be {least} samples (of a transform, a multiple), not {hop}."
        )
    reset_caches(layer)
    function, states = with_explicit_state(layer, torch.zeros(1, layer.inputs, 4 * taken))
    delay = layer.delay if audio_out else layer.delay * hop
    described = Method(hop=hop, output="audio" if audio_out else "latent", channels=channels, delay=delay)
    return TorchMethod(function, described, states)
