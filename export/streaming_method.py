"""A stack of streaming layers becomes a method of a model file: hop, channels and delay follow from its layers."""

from __future__ import annotations

import torch

from export.errors import ContractError
from export.format.card import AUDIO_IN, Method
from export.streaming.explicit_state import with_explicit_state
from export.streaming.layer import Layer, reset_caches
from export.torch_export import TorchMethod


def streaming_method(name: str, layer: Layer, *, hop: int | None = None) -> TorchMethod:
    """Make a method of a model file of a streaming layer or stack, beginning from silence.

    Parameters
    ----------
    name
        `decode`, `encode`, `transform` or `prior`: says on which side there is audio.
    layer
        Of a ratio that fits: `decode` gives audio for each frame, `encode` a frame for so much audio.
    hop
        Samples that a `transform` takes at a time, a multiple of what the layer takes. The hop of the others follows
        from their ratio.

    Raises
    ------
    ContractError
        The ratio or the hop doesn't fit, or the layer doesn't say its channels.
    """
    audio_in, audio_out = name in AUDIO_IN, name in ("decode", "transform")
    taken, given = layer.takes if audio_in else 1, layer.gives if audio_out else 1
    kind = type(layer).__name__
    if (taken, given) != (layer.takes, layer.gives) or (audio_in and audio_out and taken != given):
        raise ContractError(
            f"{kind} takes {layer.takes} and gives {layer.gives} samples at the least, which is no '{name}'; "
            "that takes or gives one latent frame at a time, or as much audio as it takes."
        )
    if layer.inputs is None or layer.outputs is None:
        raise ContractError(f"{kind} doesn't say how many channels it takes and gives; build it with `channels`.")
    if audio_in and audio_out and layer.inputs != layer.outputs:
        raise ContractError(f"A 'transform' gives as many channels as it takes, and {kind} takes {layer.inputs}.")
    channels = layer.outputs if name == "decode" else layer.inputs
    least = max(taken, given)
    hop = least if hop is None else hop
    if hop < 1 or hop % least or (hop != least and not (audio_in and audio_out)):
        raise ContractError(f"The hop of this '{name}' is {least} samples (a transform's, a multiple), and not {hop}.")
    reset_caches(layer)
    function, states = with_explicit_state(layer, torch.zeros(1, layer.inputs, 4 * taken))
    delay = layer.delay if audio_out else layer.delay * hop
    described = Method(hop=hop, output="audio" if audio_out else "latent", channels=channels, delay=delay)
    return TorchMethod(function, described, states)
