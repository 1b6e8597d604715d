"""The checkpoint: a trained model with all that its export needs, as plain data."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from export.errors import GlitchError
from export.format.card import Provenance
from export.torchscript.script.archive import check_members
from models.spectral.latent_stats import LatentStatistics
from models.spectral.network import SpectralVae, VaeConfig

FILE_NAME = "model.ckpt"
KIND = "glitch-lab spectral vae"
VERSION = 1


class CheckpointError(GlitchError):
    """A file is not a checkpoint of this kind, or is broken."""


@dataclass(frozen=True)
class Trained:
    """A trained model and what is known of it."""

    model: SpectralVae
    latent: LatentStatistics
    provenance: Provenance


def save(trained: Trained, path: str | os.PathLike[str]) -> None:
    """Write a checkpoint, whole or not at all."""
    data = {
        "kind": KIND,
        "version": VERSION,
        "config": asdict(trained.model.config),
        "weights": {key: value.detach().cpu() for key, value in trained.model.state_dict().items()},
        "latent": trained.latent.to_plain(),
        "provenance": asdict(trained.provenance),
    }
    write_plain(data, path)


def load(path: str | os.PathLike[str]) -> Trained:
    """Read a checkpoint, or the `model.ckpt` in a training's folder; nothing in the file is executed.

    Raises
    ------
    CheckpointError
        The file is missing, cut short, or something else.
    """
    path, data = read_plain(path, KIND, VERSION, "give the model.ckpt that a training wrote")
    try:
        config = VaeConfig(**data["config"])
        _check_shapes(config, data["weights"])
        model = SpectralVae(config)
        model.load_state_dict(data["weights"])
        latent = LatentStatistics.from_plain(data["latent"])
        provenance = Provenance(**data["provenance"])
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, OverflowError) as error:
        text = str(error).splitlines()[0]
        raise CheckpointError(f"{path} contradicts itself ({text}); train the model again.") from None
    return Trained(model.eval(), latent, provenance)


def write_plain(data: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Write plain data, whole or not at all."""
    path = Path(path)
    scratch = path.with_name(f".{path.name}.part")
    torch.save(data, scratch)
    os.replace(scratch, path)


def read_plain(path: str | os.PathLike[str], kind: str, version: int, remedy: str) -> tuple[Path, dict[str, Any]]:
    """Read the plain data of a kind, from a file or from `model.ckpt` in a folder; give the file's path as well.

    Raises
    ------
    CheckpointError
        The file is missing, cut short, or of another kind or version; `remedy` is what to do then.
    """
    path = Path(path)
    path = path / FILE_NAME if path.is_dir() else path
    data = load_plain(path)
    if data.get("kind") != kind or data.get("version") != version:
        raise CheckpointError(f"{path} is not a '{kind}' checkpoint of version {version}; {remedy}.")
    return path, data


def load_plain(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a file of plain values and tensors.

    Raises
    ------
    CheckpointError
        The file is missing, cut short, or holds anything else.
    """
    path = Path(path)
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder, not a checkpoint; give the model.ckpt that a training wrote.")
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint {path}; 'glitch-lab train vae' writes model.ckpt at its end.")
    try:
        check_members(path)
        data = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # whatever a file that is broken on purpose leads it to
        raise CheckpointError(
            f"{path} is no checkpoint, or is cut short; give the model.ckpt that a training wrote, or copy it again."
        ) from None
    if not isinstance(data, dict):
        raise CheckpointError(f"{path} holds a {type(data).__name__}, and a checkpoint was expected.")
    return data


def _check_shapes(config: VaeConfig, weights: dict[str, torch.Tensor]) -> None:
    """Make sure that a model has the shape of its weights, before memory is taken for it."""
    found = {key: value.shape for key, value in weights.items()}
    wanted = {}
    if config.layers <= len(found):
        with torch.device("meta"):
            wanted = {key: value.shape for key, value in SpectralVae(config).state_dict().items()}
    if found != wanted or not wanted:
        raise ValueError("its weights are not of the size that its settings say")
