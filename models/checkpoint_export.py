"""Export of a checkpoint of any architecture as a model file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from export.errors import ContractError
from export.proof.chunk_equality import Proof
from export.weight_storage import Weights
from models.dcgan import checkpoint as dcgan
from models.dcgan.export import write as write_dcgan
from models.playable_vae import checkpoint as playable
from models.playable_vae.export import write as write_playable
from models.spectral_vae import checkpoint as spectral
from models.spectral_vae.export import write as write_spectral
from models.travelgan import checkpoint as travel
from models.travelgan.export import write as write_travel


def export(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    name: str | None = None,
    bend: Sequence[str] | None = None,
    weights: Weights = "fp32",
    voices: int = 1,
) -> Proof:
    """Write a checkpoint as a streaming model file, after proving that chunked equals whole.

    Parameters
    ----------
    source
        The `model.ckpt` of a training, or its folder.
    out
        The `.onnx` file to write.
    name
        The model's name; by default that of the file.
    bend
        Layers that get live controls, by name or pattern (see `export.bending.bend.bend`); None for none.
    weights
        Storage of the weights: `fp32`, or smaller as `fp16` or `int8` (see `export.weight_storage.quantize`).
    voices
        Number of voices of a playable model, each with a pitch and a loudness of its own.

    Returns
    -------
    proof : Proof
        The measured equality of chunked and whole output.

    Raises
    ------
    CheckpointError
        `source` is no checkpoint of these trainers.
    ContractError
        `out` doesn't end in `.onnx`, there is no layer of a name in `bend`, or the model doesn't fulfil the format;
        nothing is written.
    """
    out = Path(out)
    if out.suffix.lower() != ".onnx":
        better = out / "NAME.onnx" if out.is_dir() else out.with_suffix(".onnx")
        raise ContractError(f"A model file ends in .onnx, and {out} doesn't; call it {better}.")
    name = name or out.stem
    if playable.SPEC.matches(source):
        return write_playable(playable.load(source), out, name, voices=voices, bend=bend, weights=weights)
    if voices != 1:
        raise ContractError("Only a playable model has voices, and this is another one; export it without --voices.")
    if travel.SPEC.matches(source):
        return write_travel(travel.load(source), out, name, bend=bend, weights=weights)
    if dcgan.SPEC.matches(source):
        return write_dcgan(dcgan.load(source), out, name, bend=bend, weights=weights)
    return write_spectral(spectral.load(source), out, name, bend=bend, weights=weights)
