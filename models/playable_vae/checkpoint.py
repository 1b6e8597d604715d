"""The checkpoint of a playable model, with all that its export needs."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from export.format.card import Provenance
from models.playable_vae.instrument_presets import Presets
from models.playable_vae.live_sound_encoder import SpectralEncoder
from models.playable_vae.network import PlayableConfig, PlayableVae
from models.training.checkpoint import CheckpointSpec, weights_of
from models.training.latent_stats import LatentStatistics

SPEC = CheckpointSpec("glitch-lab playable model", 1, "give the model.ckpt that 'glitch-lab train playable' wrote")


@dataclass(frozen=True)
class Playable:
    """A trained playable model: network, presets, encoder for live sound, latent statistics and provenance."""

    vae: PlayableVae
    presets: Presets
    spectral_encoder: SpectralEncoder
    latent: LatentStatistics
    provenance: Provenance

    @property
    def parts(self) -> dict[str, nn.Module]:
        """The networks, by their names in the file."""
        return {"vae": self.vae, "presets": self.presets, "hearing": self.spectral_encoder}


def save(model: Playable, path: str | os.PathLike[str]) -> None:
    """Write a checkpoint, whole or not at all."""
    SPEC.save(
        {
            "config": asdict(model.vae.config),
            "instruments": list(model.presets.instruments),
            "weights": {name: weights_of(part) for name, part in model.parts.items()},
            "latent": model.latent.to_plain(),
            "provenance": asdict(model.provenance),
        },
        path,
    )


def load(path: str | os.PathLike[str]) -> Playable:
    """Read a checkpoint, or the `model.ckpt` in the folder of a run; nothing in the file is executed.

    Returns
    -------
    model : Playable
        In `eval()`, on the CPU.

    Raises
    ------
    CheckpointError
        The file is missing, truncated, or something else.
    """
    return SPEC.load(path, _build)


def _build(fields: dict[str, Any]) -> Playable:
    config = PlayableConfig(**fields["config"])
    presets = Presets([str(name) for name in fields["instruments"]], config.latent)
    latent, source = LatentStatistics.from_plain(fields["latent"]), Provenance(**fields["provenance"])
    model = Playable(PlayableVae(config), presets, SpectralEncoder(config), latent, source)
    for name, part in model.parts.items():
        part.load_state_dict(fields["weights"][name])
        part.eval()
    return model
