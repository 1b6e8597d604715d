"""The checkpoint of a playable model, with all that its export needs, as plain data."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path

from export.format.card import Provenance
from models.playable.instruments import Presets
from models.playable.network import PlayableConfig, PlayableVae
from models.playable.spectral_encoder import Hearing
from models.spectral.checkpoint import FILE_NAME, CheckpointError, load_plain, read_plain, write_plain
from models.spectral.latent_stats import LatentStatistics

KIND = "glitch-lab playable model"
VERSION = 1
_PARTS = ("vae", "presets", "hearing")


@dataclass(frozen=True)
class Playable:
    """A trained playable model and what is known of it."""

    vae: PlayableVae
    presets: Presets
    hearing: Hearing
    latent: LatentStatistics
    provenance: Provenance


def save(model: Playable, path: str | os.PathLike[str]) -> None:
    """Write a checkpoint, whole or not at all."""
    weights = {part: getattr(model, part).state_dict() for part in _PARTS}
    data = {
        "kind": KIND,
        "version": VERSION,
        "config": asdict(model.vae.config),
        "instruments": list(model.presets.instruments),
        "weights": {part: {key: value.cpu() for key, value in found.items()} for part, found in weights.items()},
        "latent": model.latent.to_plain(),
        "provenance": asdict(model.provenance),
    }
    write_plain(data, path)


def load(path: str | os.PathLike[str]) -> Playable:
    """Read a checkpoint, or the `model.ckpt` in a training's folder; nothing in the file is executed.

    Raises
    ------
    CheckpointError
        The file is missing, cut short, or something else.
    """
    path, data = read_plain(path, KIND, VERSION, "give the model.ckpt that 'glitch-lab train playable' wrote")
    try:
        config = PlayableConfig(**data["config"])
        vae = PlayableVae(config)
        presets = Presets([str(name) for name in data["instruments"]], config.latent)
        hearing = Hearing(config)
        for part, module in zip(_PARTS, (vae, presets, hearing), strict=True):
            module.load_state_dict(data["weights"][part])
        latent = LatentStatistics.from_plain(data["latent"])
        provenance = Provenance(**data["provenance"])
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, OverflowError) as error:
        text = str(error).splitlines()[0]
        raise CheckpointError(f"{path} contradicts itself ({text}); train the model again.") from None
    return Playable(vae.eval(), presets.eval(), hearing.eval(), latent, provenance)


def is_one(path: str | os.PathLike[str]) -> bool:
    """Say whether a file that is there is a playable model's checkpoint, or another one; raises as `load` does."""
    path = Path(path)
    return load_plain(path / FILE_NAME if path.is_dir() else path).get("kind") == KIND
