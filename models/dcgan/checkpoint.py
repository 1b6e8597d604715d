"""The checkpoint of a DCGAN, as plain data: its generator, and what is known of its latents."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import nn

from export.format.card import Provenance
from models.dcgan.endless import EndlessGenerator
from models.dcgan.pictures import PictureGenerator
from models.dcgan.settings import DcganSettings, checked
from models.spectral import checkpoint
from models.spectral.checkpoint import CheckpointError
from models.spectral.latent_stats import LatentStatistics
from models.spectral.settings import ConfigError

KIND = "glitch-lab dcgan"
VERSION = 2
LARGEST = 256
"""Height and width of a picture, at most."""


@dataclass(frozen=True)
class TrainedDcgan:
    """A trained generator.

    `picture` holds channels and size of what it makes, or nothing where that is sound; then `latent` says what its
    latents do.
    """

    generator: nn.Module
    settings: DcganSettings
    picture: tuple[int, int] | None
    latent: LatentStatistics | None
    provenance: Provenance


def save(trained: TrainedDcgan, path: str | os.PathLike[str]) -> None:
    """Write a checkpoint, whole or not at all."""
    data = {
        "kind": KIND,
        "version": VERSION,
        "settings": asdict(trained.settings),
        "picture": trained.picture,
        "weights": {key: value.detach().cpu() for key, value in trained.generator.state_dict().items()},
        "latent": None if trained.latent is None else trained.latent.to_plain(),
        "provenance": asdict(trained.provenance),
    }
    checkpoint.write_plain(data, path)


def load(path: str | os.PathLike[str]) -> TrainedDcgan:
    """Read a checkpoint, or the `model.ckpt` in a training's folder; nothing in the file is executed.

    Raises
    ------
    CheckpointError
        The file is missing, cut short, or something else.
    """
    path, data = checkpoint.read_plain(path, KIND, VERSION, "'glitch-lab train dcgan' writes one")
    try:
        settings = checked(DcganSettings(**data["settings"]))
        picture = None if data["picture"] is None else (int(data["picture"][0]), int(data["picture"][1]))
        if picture is not None and not (1 <= picture[0] <= 4 and 1 <= picture[1] <= LARGEST):
            raise ValueError(f"its pictures are larger than {LARGEST} pixels")
        generator = _build(settings, picture)
        generator.load_state_dict(data["weights"])
        latent = None if data["latent"] is None else LatentStatistics.from_plain(data["latent"])
        provenance = Provenance(**data["provenance"])
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, OverflowError, ConfigError) as error:
        text = str(error).splitlines()[0]
        raise CheckpointError(f"{path} contradicts itself ({text}); train the model again.") from None
    return TrainedDcgan(generator.eval(), settings, picture, latent, provenance)


def is_one(path: str | os.PathLike[str]) -> bool:
    """Whether a checkpoint, or that in a training's folder, is of a DCGAN."""
    path = Path(path)
    path = path / checkpoint.FILE_NAME if path.is_dir() else path
    return bool(checkpoint.load_plain(path).get("kind") == KIND)


def _build(settings: DcganSettings, picture: tuple[int, int] | None) -> nn.Module:
    if picture is None:
        return EndlessGenerator(settings.latent, settings.filters)
    return PictureGenerator(settings.latent, settings.filters, *picture)
