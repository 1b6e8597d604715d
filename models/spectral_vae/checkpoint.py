"""The checkpoint of a spectral VAE, with all that its export needs."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

from export.format.card import Provenance
from models.spectral_vae.network import SpectralVae, VaeConfig
from models.training.checkpoint import WRONG_SIZE, CheckpointSpec, check_shapes, weights_of
from models.training.latent_stats import LatentStatistics

SPEC = CheckpointSpec("glitch-lab spectral vae", 1, "give the model.ckpt that a training wrote")


@dataclass(frozen=True)
class Trained:
    """A trained spectral VAE, with statistics of its latents and its provenance."""

    model: SpectralVae
    latent: LatentStatistics
    provenance: Provenance


def save(trained: Trained, path: str | os.PathLike[str]) -> None:
    """Write a checkpoint, whole or not at all."""
    SPEC.save(
        {
            "config": asdict(trained.model.config),
            "weights": weights_of(trained.model),
            "latent": trained.latent.to_plain(),
            "provenance": asdict(trained.provenance),
        },
        path,
    )


def load(path: str | os.PathLike[str]) -> Trained:
    """Read a checkpoint, or the `model.ckpt` in the folder of a run; nothing in the file is executed.

    Returns
    -------
    trained : Trained
        In `eval()`, on the CPU.

    Raises
    ------
    CheckpointError
        The file is missing, truncated, or something else.
    """
    return SPEC.load(path, _build)


def _build(fields: dict[str, Any]) -> Trained:
    config, weights = VaeConfig(**fields["config"]), fields["weights"]
    if config.layers > len(weights):  # even a module without memory takes time for each layer
        raise ValueError(WRONG_SIZE)
    check_shapes(lambda: SpectralVae(config), weights)
    model = SpectralVae(config)
    model.load_state_dict(weights)
    latent = LatentStatistics.from_plain(fields["latent"])
    return Trained(model.eval(), latent, Provenance(**fields["provenance"]))
