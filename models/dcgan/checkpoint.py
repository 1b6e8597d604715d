"""The checkpoint of a DCGAN: its generator, and for sound the statistics of its latents."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from export.format.card import Provenance
from models.dcgan.picture_networks import PictureGenerator
from models.dcgan.settings import DcganSettings, checked
from models.dcgan.sound_networks import EndlessGenerator
from models.training.checkpoint import CheckpointSpec, weights_of
from models.training.latent_stats import LatentStatistics

SPEC = CheckpointSpec("glitch-lab dcgan", 2, "'glitch-lab train dcgan' writes one")
MAX_SIZE = 256
"""Largest height and width of a picture, pixels."""


@dataclass(frozen=True)
class TrainedDcgan:
    """A trained generator.

    Attributes
    ----------
    generator, settings
        The network, and the settings of its training.
    picture
        Channels and size of its pictures; None for sound.
    latent
        Statistics of the latents; None for pictures.
    provenance
        Where it comes from.
    """

    generator: nn.Module
    settings: DcganSettings
    picture: tuple[int, int] | None
    latent: LatentStatistics | None
    provenance: Provenance


def save(trained: TrainedDcgan, path: str | os.PathLike[str]) -> None:
    """Write a checkpoint, whole or not at all."""
    SPEC.save(
        {
            "settings": asdict(trained.settings),
            "picture": trained.picture,
            "weights": weights_of(trained.generator),
            "latent": None if trained.latent is None else trained.latent.to_plain(),
            "provenance": asdict(trained.provenance),
        },
        path,
    )


def load(path: str | os.PathLike[str]) -> TrainedDcgan:
    """Read a checkpoint, or the `model.ckpt` in the folder of a run; nothing in the file is executed.

    Returns
    -------
    trained : TrainedDcgan
        In `eval()`, on the CPU.

    Raises
    ------
    CheckpointError
        The file is missing, truncated, or something else.
    """
    return SPEC.load(path, _build)


def _build(fields: dict[str, Any]) -> TrainedDcgan:
    settings = checked(DcganSettings(**fields["settings"]))
    picture = None if fields["picture"] is None else (int(fields["picture"][0]), int(fields["picture"][1]))
    if picture is not None and not (1 <= picture[0] <= 4 and 1 <= picture[1] <= MAX_SIZE):
        raise ValueError(f"its pictures are larger than {MAX_SIZE} pixels")
    if picture is None:
        generator: nn.Module = EndlessGenerator(settings.latent, settings.filters)
    else:
        generator = PictureGenerator(settings.latent, settings.filters, *picture)
    generator.load_state_dict(fields["weights"])
    latent = None if fields["latent"] is None else LatentStatistics.from_plain(fields["latent"])
    return TrainedDcgan(generator.eval(), settings, picture, latent, Provenance(**fields["provenance"]))
