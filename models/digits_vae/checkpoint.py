"""The checkpoint of a VAE of digits."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

from models.digits_vae.network import build
from models.digits_vae.settings import DigitsConfig, config_from_plain
from models.training.checkpoint import CheckpointSpec, check_shapes, weights_of
from models.vae.vae import Vae

SPEC = CheckpointSpec("glitch-lab digits vae", 1, "'glitch-lab train digits' writes one")


@dataclass(frozen=True)
class TrainedDigits:
    """A trained VAE of digits, its settings, the name of its data, and the epochs it was trained for."""

    vae: Vae
    config: DigitsConfig
    data: str
    epochs: int


def save(trained: TrainedDigits, path: str | os.PathLike[str]) -> None:
    """Write a checkpoint, whole or not at all."""
    SPEC.save(
        {
            "config": asdict(trained.config),
            "weights": weights_of(trained.vae),
            "data": trained.data,
            "epochs": trained.epochs,
        },
        path,
    )


def load(path: str | os.PathLike[str]) -> TrainedDigits:
    """Read a checkpoint, or the `model.ckpt` in the folder of a run; nothing in the file is executed.

    Returns
    -------
    trained : TrainedDigits
        In `eval()`, on the CPU.

    Raises
    ------
    CheckpointError
        The file is missing, truncated, or something else.
    """
    return SPEC.load(path, _build)


def _build(fields: dict[str, Any]) -> TrainedDigits:
    config = config_from_plain(fields["config"])
    check_shapes(lambda: build(config), fields["weights"])
    vae = build(config)
    vae.load_state_dict(fields["weights"])
    return TrainedDigits(vae.eval(), config, str(fields["data"]), int(fields["epochs"]))
