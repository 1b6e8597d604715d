"""Export of an endless generator: `decode`, from latents to mel spectra, as a streaming graph in a model file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from export.errors import ContractError
from export.format.card import Card, Control, Latent, Method
from export.proof.chunk_equality import Proof
from export.streaming.explicit_state import with_explicit_state
from export.torch_export import TorchMethod
from export.torch_export import export as export_methods
from export.weight_storage import Weights
from models.dcgan.checkpoint import TrainedDcgan
from models.dcgan.sound_networks import CONTEXT, EndlessGenerator, Grain
from models.dsp.log_mel import LogMel

_GRAIN_TEXT = "How much frames differ by chance: breath, rustle, bow; 0 is smooth."
GRAIN_CONTROL = Control("grain", 1.0, 0.0, 2.0, text=_GRAIN_TEXT)
_SETTLE_SECONDS = 1.0  # the frame counter of the grain never settles


class EndlessStream(nn.Module):
    """Latents and amount of grain → natural logarithms of the power in mel bands."""

    def __init__(self, generator: EndlessGenerator, scale: LogMel) -> None:
        super().__init__()
        self.grain, self.generator, self.scale = Grain(), generator, scale

    def forward(self, latent: Tensor, grain: Tensor) -> Tensor:
        """[1, latent, frames] and [1, 1, frames] → [1, 128, frames]."""
        made: Tensor = self.generator(torch.cat([latent, grain * self.grain(latent)], dim=1))
        return self.scale.to_log_power(made)


def write(
    trained: TrainedDcgan,
    out: Path,
    name: str,
    *,
    scale: LogMel | None = None,
    bend: Sequence[str] | None = None,
    weights: Weights = "fp32",
) -> Proof:
    """Write a generator of sound as a streaming model file, once it has proved that chunked equals whole.

    Parameters
    ----------
    trained
        The trained generator.
    out, name
        The `.onnx` file to write, and the model's name.
    scale
        Scale of its spectra.
    bend, weights
        See `models.checkpoint_export.export`.

    Returns
    -------
    proof : Proof
        The largest difference between chunked and whole in each method, within the tolerance.

    Raises
    ------
    ContractError
        It makes pictures, or doesn't fulfil the format; nothing is written.
    """
    generator, scale = trained.generator, scale or LogMel()
    if not isinstance(generator, EndlessGenerator) or trained.latent is None:
        raise ContractError("This DCGAN makes pictures, and a model file plays sound; train one on a folder of sounds.")
    example = torch.zeros(1, trained.settings.latent, 2), torch.ones(1, 1, 2)
    decode, caches = with_explicit_state(EndlessStream(generator, scale).eval(), example)
    method = Method(scale.hop, "magnitudes", controls=(GRAIN_CONTROL,), spectrum=scale.spectrum)
    latent = named(trained.latent.to_card())
    notes = f"{trained.provenance.notes} {streaming_notes(trained)}"
    provenance = replace(trained.provenance, notes=notes)
    return export_methods(
        out,
        name=name,
        sample_rate=scale.sample_rate,
        methods={"decode": TorchMethod(decode, method, caches, _SETTLE_SECONDS)},
        latent=latent,
        card=Card(name, scale.sample_rate, {}, latent, provenance),
        bend=bend,
        weights=weights,
    )


def streaming_notes(trained: TrainedDcgan) -> str:
    """Describe the chunks of the training and the delay of the stream, for the card."""
    settings = trained.settings
    if settings.stitching:
        shares = f"neighbours share {settings.shared} latents and the border's others, and were judged together"
        context = f"context {CONTEXT}"
    else:
        shares, context = "each made and judged alone", "no context"
    return f"Chunks of {settings.chunk} frames, {context}: {shares}. Delay 0."


def named(latent: Latent) -> Latent:
    """Name the latent dimensions by the order of their effect."""
    names = [""] * latent.size
    for rank, dimension in enumerate(latent.order):
        names[dimension] = f"texture {rank + 1}"
    return replace(latent, names=tuple(names))
