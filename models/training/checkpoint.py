"""Checkpoint files of trained models (`model.ckpt`): plain values and tensors, read without executing anything.

Every architecture describes its file by a `CheckpointSpec`. The file is a dict of plain values with `kind` and
`version` first; weights are a state dict of CPU tensors.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from export.torchscript.script.archive import check_members
from models.training.errors import CheckpointError, ConfigError

FILE_NAME = "model.ckpt"

T = TypeVar("T")

_BROKEN = (KeyError, TypeError, ValueError, RuntimeError, AttributeError, OverflowError, ConfigError)


@dataclass(frozen=True)
class CheckpointSpec:
    """Kind and version of a checkpoint file, and how it is written and read.

    Attributes
    ----------
    kind
        Identifies the architecture, such as `glitch-lab spectral vae`.
    version
        Of the file's fields.
    remedy
        Ends the error message about a file of another kind or version: what to give instead.
    """

    kind: str
    version: int
    remedy: str

    def save(self, fields: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
        """Write plain values and tensors, whole or not at all.

        Parameters
        ----------
        fields
            Numbers, text, lists, dicts and tensors; `kind` and `version` are added.
        path
            The file to write.
        """
        path = Path(path)
        scratch = path.with_name(f".{path.name}.part")
        torch.save({"kind": self.kind, "version": self.version, **fields}, scratch)
        os.replace(scratch, path)

    def load(self, path: str | os.PathLike[str], build: Callable[[dict[str, Any]], T]) -> T:
        """Read a checkpoint, or the `model.ckpt` in the folder of a run, and build the model.

        Parameters
        ----------
        path
            The file, or a folder that holds `model.ckpt`.
        build
            Makes the trained model from the fields of the file.

        Returns
        -------
        model
            The result of `build`.

        Raises
        ------
        CheckpointError
            The file is missing, truncated, of another kind or version, or its fields contradict each other.
        """
        path = checkpoint_file(path)
        fields = load_plain(path)
        if fields.get("kind") != self.kind or fields.get("version") != self.version:
            raise CheckpointError(f"{path} is not a '{self.kind}' checkpoint of version {self.version}; {self.remedy}.")
        try:
            return build(fields)
        except _BROKEN as error:
            text = str(error).splitlines()[0]
            raise CheckpointError(f"{path} contradicts itself ({text}); train the model again.") from None

    def matches(self, path: str | os.PathLike[str]) -> bool:
        """Whether a checkpoint, or that in the folder of a run, is of this kind; raises as `load_plain` does."""
        return bool(load_plain(checkpoint_file(path)).get("kind") == self.kind)


def checkpoint_file(path: str | os.PathLike[str]) -> Path:
    """Give the checkpoint file of a path: `model.ckpt` in a folder, or the file itself."""
    path = Path(path)
    return path / FILE_NAME if path.is_dir() else path


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    """Give a module's weights as a checkpoint stores them, on the CPU."""
    return {key: value.detach().cpu() for key, value in module.state_dict().items()}


def check_shapes(build: Callable[[], nn.Module], weights: Mapping[str, Tensor]) -> None:
    """Compare the shapes of weights with those of the module that settings describe, before allocating memory for it.

    Raises
    ------
    ValueError
        They differ.
    """
    with torch.device("meta"):
        wanted = {key: value.shape for key, value in build().state_dict().items()}
    if wanted != {key: value.shape for key, value in weights.items()}:
        raise ValueError(WRONG_SIZE)


WRONG_SIZE = "its weights are not of the size that its settings say"


def load_plain(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a file of plain values and tensors.

    Returns
    -------
    fields : dict of str to Any
        Tensors are on the CPU.

    Raises
    ------
    CheckpointError
        The file is missing, truncated, or holds anything else.
    """
    path = Path(path)
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder, not a checkpoint; give the model.ckpt that a training wrote.")
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint {path}; 'glitch-lab train vae' writes model.ckpt at its end.")
    try:
        check_members(path)
        data = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # whatever a deliberately broken file raises
        raise CheckpointError(
            f"{path} is no checkpoint, or is cut short; give the model.ckpt that a training wrote, or copy it again."
        ) from None
    if not isinstance(data, dict):
        raise CheckpointError(f"{path} holds a {type(data).__name__}, and a checkpoint was expected.")
    return data
