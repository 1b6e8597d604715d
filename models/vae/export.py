"""Export of a streaming VAE of sound as a model file, with its conditions as live controls.

`docs/vae.md` shows it from the networks to the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from export.errors import ContractError
from export.format.card import Card, Latent, MapPoint, Method, Provenance
from export.proof.chunk_equality import Proof
from export.streaming.explicit_state import with_explicit_state
from export.streaming.layer_base import Layer, reset_caches, whole_signals
from export.torch_export import TorchMethod
from export.torch_export import export as export_methods
from export.weight_storage import Weights
from models.report.latent_scatter import plane
from models.vae.conditions import append_conditions
from models.vae.vae import Vae

_MIN_DEVIATION = 1e-4


class DecodeStream(nn.Module):
    """Latent and conditions → the expected sound, frame by frame."""

    def __init__(self, vae: Vae) -> None:
        super().__init__()
        self.decoder, self.likelihood, self.conditions = vae.decoder, vae.likelihood, vae.conditions

    def forward(self, latent: Tensor, *controls: Tensor) -> Tensor:
        """[1, latent, frames], [1, 1, frames] each → [1, channels, frames * hop]."""
        values = {condition.name: value[:, 0] for condition, value in zip(self.conditions, controls, strict=True)}
        return self.likelihood.mean(self.decoder(append_conditions(self.conditions, values, latent)))


class EncodeStream(nn.Module):
    """Sound → mean of the latent, hop by hop."""

    def __init__(self, vae: Vae) -> None:
        super().__init__()
        self.encoder, self.latent = vae.encoder, vae.latent

    def forward(self, audio: Tensor) -> Tensor:
        """[1, channels, frames * hop] → [1, latent, frames]."""
        made: Tensor = self.encoder(audio)[:, : self.latent]
        return made


def methods(vae: Vae) -> dict[str, TorchMethod]:
    """Make the methods of a model file from a VAE whose encoder and decoder are streaming layers.

    Returns
    -------
    methods : dict of str to TorchMethod
        `decode` and `encode`, with the same hop.

    Raises
    ------
    ContractError
        They are not, or their hops differ.
    """
    encoder, decoder = vae.encoder, vae.decoder
    if not isinstance(encoder, Layer) or not isinstance(decoder, Layer):
        raise ContractError(
            f"{type(encoder).__name__} and {type(decoder).__name__} don't stream; build the VAE of the networks in "
            "models.vae.networks.audio, or of other streaming layers."
        )
    hop = decoder.gives
    if decoder.takes != 1 or (encoder.takes, encoder.gives) != (hop, 1):
        raise ContractError(
            f"A latent frame must stand for as much sound on either side: the encoder takes {encoder.takes} samples "
            f"for {encoder.gives}, the decoder gives {decoder.gives} for {decoder.takes}."
        )
    if encoder.inputs is None or decoder.outputs != encoder.inputs * vae.likelihood.values:
        raise ContractError(
            f"The encoder takes {encoder.inputs} channels, and the decoder gives {decoder.outputs} numbers a sample, "
            f"{vae.likelihood.values} for each channel were expected."
        )
    vae.eval()
    reset_caches(vae)
    channels, controls = encoder.inputs, tuple(condition.control() for condition in vae.conditions)
    given = [torch.full((1, 1, 2), control.default) for control in controls]
    decode, decoded = with_explicit_state(DecodeStream(vae), [torch.zeros(1, vae.latent, 2), *given])
    encode, encoded = with_explicit_state(EncodeStream(vae), torch.zeros(1, channels, 2 * hop))
    return {
        "decode": TorchMethod(decode, Method(hop, "audio", channels, decoder.delay, controls=controls), decoded),
        "encode": TorchMethod(encode, Method(hop, "latent", channels, encoder.delay * hop), encoded),
    }


def write(
    vae: Vae,
    out: Path,
    name: str,
    *,
    sample_rate: int,
    latent: Latent,
    provenance: Provenance | None = None,
    bend: Sequence[str] | None = None,
    weights: Weights = "fp32",
) -> Proof:
    """Write a VAE of sound as a streaming model file, once it has proved that chunked equals whole.

    Parameters
    ----------
    vae
        The model; its encoder and decoder are streaming layers.
    out, name
        The `.onnx` file to write, and the model's name.
    sample_rate
        Sample rate of the sound, Hz.
    latent
        Statistics of the latent space, as `describe` gives them, or `Latent.plain(size)`.
    provenance
        Where the model comes from.
    bend, weights
        See `models.checkpoint_export.export`.

    Returns
    -------
    proof : Proof
        The largest difference between chunked and whole in each method, within the tolerance.

    Raises
    ------
    ContractError
        It doesn't stream, or doesn't fulfil the format; nothing is written.
    """
    return export_methods(
        out,
        name=name,
        sample_rate=sample_rate,
        methods=methods(vae),
        latent=latent,
        card=Card(name, sample_rate, {}, latent, provenance or Provenance()),
        bend=bend,
        weights=weights,
    )


@torch.no_grad()
def describe(vae: Vae, sounds: Iterable[tuple[str, Tensor]]) -> Latent:
    """Encode sounds, and measure the latent space: mean, deviation, order of importance and latent map.

    Parameters
    ----------
    vae
        The model, in `eval()`.
    sounds
        Pairs of label and sound [channels, frames * hop].

    Returns
    -------
    Latent
        Dimensions are ordered by their KL divergence from the standard normal; the map has a point for each label.
    """
    frames: dict[str, list[Tensor]] = {}
    costs = []
    with whole_signals(vae):
        for label, audio in sounds:
            posterior = vae.encode(audio[None])
            frames.setdefault(label, []).append(posterior.mean[0].T)  # [frames, latent]
            costs.append(posterior.kl_from_standard()[0].T)
    means = torch.cat([part for parts in frames.values() for part in parts])  # [all frames, latent]
    mean, std = means.mean(dim=0), means.std(dim=0, correction=0).clamp(min=_MIN_DEVIATION)
    order = torch.argsort(torch.cat(costs).mean(dim=0), descending=True, stable=True).tolist()
    names = [""] * vae.latent
    for rank, dimension in enumerate(order):
        names[dimension] = f"latent {rank + 1}"
    centres = torch.stack([torch.cat(parts).mean(dim=0) for parts in frames.values()])  # [labels, latent]
    places = plane((centres - mean) / std)
    points = tuple(
        MapPoint(round(x, 4), round(y, 4), label, tuple(round(value, 4) for value in centre))
        for (x, y), label, centre in zip(places.tolist(), frames, centres.tolist(), strict=True)
    )
    return Latent(tuple(names), tuple(mean.tolist()), tuple(std.tolist()), tuple(order), points)
