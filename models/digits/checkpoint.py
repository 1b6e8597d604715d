"""The checkpoint of a VAE of digits, as plain data."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

import torch

from models.digits.network import DigitsConfig, build
from models.spectral import checkpoint
from models.spectral.checkpoint import CheckpointError
from models.spectral.settings import ConfigError
from models.vae.vae import Vae

KIND = "glitch-lab digits vae"
VERSION = 1


@dataclass(frozen=True)
class TrainedDigits:
    """A trained VAE of digits: what it is, what it was trained on, and for how many epochs."""

    vae: Vae
    config: DigitsConfig
    data: str
    epochs: int


def save(trained: TrainedDigits, path: str | os.PathLike[str]) -> None:
    """Write a checkpoint, whole or not at all."""
    data = {
        "kind": KIND,
        "version": VERSION,
        "config": asdict(trained.config),
        "weights": {key: value.detach().cpu() for key, value in trained.vae.state_dict().items()},
        "data": trained.data,
        "epochs": trained.epochs,
    }
    checkpoint.write_plain(data, path)


def load(path: str | os.PathLike[str]) -> TrainedDigits:
    """Read a checkpoint, or the `model.ckpt` in a training's folder; nothing in the file is executed.

    Raises
    ------
    CheckpointError
        The file is missing, cut short, or something else.
    """
    path, data = checkpoint.read_plain(path, KIND, VERSION, "'glitch-lab train digits' writes one")
    try:
        config = _config(data["config"])
        with torch.device("meta"):  # so that no memory is taken for what the weights don't fill
            wanted = {key: value.shape for key, value in build(config).state_dict().items()}
        if wanted != {key: value.shape for key, value in data["weights"].items()}:
            raise ValueError("its weights are not of the size that its settings say")
        vae = build(config)
        vae.load_state_dict(data["weights"])
        return TrainedDigits(vae.eval(), config, str(data["data"]), int(data["epochs"]))
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, OverflowError, ConfigError) as error:
        text = str(error).splitlines()[0]
        raise CheckpointError(f"{path} contradicts itself ({text}); train the model again.") from None


def _config(plain: dict[str, Any]) -> DigitsConfig:
    """Undo `dataclasses.asdict`."""
    shape, hidden = tuple(plain["shape"]), tuple(plain["hidden"])
    return DigitsConfig(**{**plain, "shape": shape, "hidden": hidden})
