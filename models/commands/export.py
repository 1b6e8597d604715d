"""A checkpoint becomes the file that is played."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch

from export.errors import ContractError
from export.format.card import Card, Method, Spectrum
from export.proof.chunk_equality import Proof
from export.quantization import Weights
from export.streaming.explicit_state import with_explicit_state
from export.torch_export import TorchMethod
from export.torch_export import export as export_methods
from models.dcgan import checkpoint as dcgan_checkpoint
from models.dcgan import export as dcgan_export
from models.playable import checkpoint as playable_checkpoint
from models.playable import export as playable_export
from models.spectral import checkpoint
from models.spectral.checkpoint import Trained
from models.spectral.graphs import DecodeGraph, EncodeGraph, encode_delay
from models.spectral.network import VaeConfig
from models.travelgan import checkpoint as travel_checkpoint
from models.travelgan import export as travel_export
from models.vae import conditions


def export(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    name: str | None = None,
    bend: Sequence[str] | None = None,
    weights: Weights = "fp32",
    voices: int = 1,
) -> Proof:
    """Write a checkpoint as a streaming model file, once it has proved that it streams.

    Parameters
    ----------
    source
        `model.ckpt` as a training wrote it, or the folder that holds it.
    out
        The `.onnx` file to write.
    name
        What the model is called; else as its file.
    bend
        Layers that get live controls, by name or pattern (see `export.bending.bend.bend`); None leaves the model as it
        is.
    weights
        How they are stored: `fp32`, or smaller as `fp16` or `int8` (see `export.quantization.quantize`).
    voices
        Of a playable model: how many sound together, each with a pitch and a loudness of its own.

    Raises
    ------
    CheckpointError
        `source` is no such checkpoint.
    ContractError
        `out` doesn't end in `.onnx`, no layer is called as one in `bend`, or the model doesn't hold what the format
        promises; nothing is written.
    """
    out = Path(out)
    if out.suffix.lower() != ".onnx":
        better = out / "NAME.onnx" if out.is_dir() else out.with_suffix(".onnx")
        raise ContractError(f"A model file ends in .onnx, and {out} doesn't; call it {better}.")
    called = name or out.stem
    if playable_checkpoint.is_one(source):
        made = playable_checkpoint.load(source)
        return playable_export.write(made, out, called, voices=voices, bend=bend, weights=weights)
    if voices != 1:
        raise ContractError("Only a playable model has voices, and this is another one; export it without --voices.")
    if travel_checkpoint.is_one(source):
        return travel_export.write(travel_checkpoint.load(source), out, called, bend=bend, weights=weights)
    if dcgan_checkpoint.is_one(source):
        return dcgan_export.write(dcgan_checkpoint.load(source), out, called, bend=bend, weights=weights)
    return write(checkpoint.load(source), out, called, bend=bend, weights=weights)


def write(
    trained: Trained, out: Path, name: str, *, bend: Sequence[str] | None = None, weights: Weights = "fp32"
) -> Proof:
    """Write a trained model as a streaming model file."""
    vae, shape = trained.model, trained.model.config
    latent = trained.latent.to_contract()
    encode, caches = with_explicit_state(EncodeGraph(vae), torch.zeros(1, 1, shape.hop))
    methods = {
        "decode": TorchMethod(DecodeGraph(vae), _decode(shape)),
        "encode": TorchMethod(encode, Method(hop=shape.hop, output="latent", delay=encode_delay(shape)), caches),
    }
    card = Card(name, shape.sample_rate, {}, latent, trained.provenance)
    return export_methods(
        out,
        name=name,
        sample_rate=shape.sample_rate,
        methods=methods,
        latent=latent,
        card=card,
        bend=bend,
        weights=weights,
    )


def _decode(shape: VaeConfig) -> Method:
    return Method(
        hop=shape.hop,
        output="magnitudes",
        spectrum=Spectrum(n_fft=shape.n_fft, hop=shape.hop, window="hann", scale="linear"),
        controls=tuple(told.control() for told in (conditions.pitch(), conditions.loudness(shape.quietest_db))),
    )
