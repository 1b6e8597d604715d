"""An endless generator becomes the file that is played."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from export.contract import Card, ContractError, Latent, Method
from export.explicit import explicit
from export.proof import Proof
from export.streaming import Chain, forget
from export.torch_export import TorchMethod
from export.torch_export import export as export_methods
from export.weights import Weights
from models.dcgan.checkpoint import TrainedDcgan
from models.dcgan.endless import CONTEXT, FRAMES, EndlessGenerator
from models.logmel import LogMel


class ToLogPower(nn.Module):
    """What the generator gives, from -1 to 1 → the natural logarithm of the power in each band."""

    def __init__(self, scale: LogMel) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """Scale."""
        return self.scale.to_log_power(x)


def write(
    trained: TrainedDcgan,
    out: Path,
    name: str,
    *,
    scale: LogMel | None = None,
    bend: Sequence[str] | None = None,
    weights: Weights = "fp32",
) -> Proof:
    """Write a generator of sound as a streaming model file, once it has proved that it streams.

    Parameters
    ----------
    trained
        As a training made it.
    out, name
        The `.onnx` file to write, and what the model is called.
    scale
        Of the spectra that it was trained on.
    bend, weights
        See `models.export.export`.

    Raises
    ------
    ContractError
        It makes pictures, or doesn't hold what the format promises; nothing is written.
    """
    generator, scale = trained.generator, scale or LogMel()
    if not isinstance(generator, EndlessGenerator) or trained.latent is None:
        raise ContractError("This DCGAN makes pictures, and a model file plays sound; train one on a folder of sounds.")
    stream = Chain(generator, ToLogPower(scale)).eval()
    forget(stream)
    decode, caches = explicit(stream, torch.zeros(1, trained.settings.latent, 2))
    forget(stream)
    method = Method(hop=FRAMES * scale.hop, output="magnitudes", spectrum=scale.spectrum)
    latent = named(trained.latent.to_contract())
    told = f"{trained.provenance.notes} {streaming_notes(trained)}"
    provenance = replace(trained.provenance, notes=told)
    return export_methods(
        out,
        name=name,
        sample_rate=scale.sample_rate,
        methods={"decode": TorchMethod(decode, method, caches)},
        latent=latent,
        card=Card(name, scale.sample_rate, {}, latent, provenance),
        bend=bend,
        weights=weights,
    )


def streaming_notes(trained: TrainedDcgan) -> str:
    """Say how long a chunk was in training, what it knew of its neighbours, and what the stream waits for."""
    settings = trained.settings
    if settings.stitching:
        shares = f"neighbours share {settings.shared} latents and the border's others, and were judged together"
        context = f"context {CONTEXT}"
    else:
        shares, context = "each made and judged alone", "no context"
    return f"Chunks of {settings.chunk} latent frames, {context}: {shares}. Delay 0."


def named(latent: Latent) -> Latent:
    """Call the latents by how much they do."""
    names = [""] * latent.size
    for rank, dimension in enumerate(latent.order):
        names[dimension] = f"texture {rank + 1}"
    return replace(latent, names=tuple(names))
