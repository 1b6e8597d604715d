"""The checkpoint of a generator, with all that its export needs."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

from export.format.card import Provenance
from export.streaming.stack import Chain
from models.dsp.log_mel import LogMel
from models.training.checkpoint import WRONG_SIZE, CheckpointSpec, weights_of
from models.travelgan.networks import GeneratorConfig, config_from_plain, generator

SPEC = CheckpointSpec("glitch-lab travel", 2, "give the model.ckpt that 'glitch-lab train travel' wrote")
_MAX_BANDS = 4096


@dataclass(frozen=True)
class TrainedGenerator:
    """A trained generator.

    Attributes
    ----------
    generator, config, scale
        The network, its size, and the scale of its spectra.
    parts
        Frames of each part that training generated without knowledge of the others.
    provenance
        Where it comes from.
    """

    generator: Chain
    config: GeneratorConfig
    scale: LogMel
    parts: tuple[int, ...]
    provenance: Provenance


def save(model: TrainedGenerator, path: str | os.PathLike[str]) -> None:
    """Write a checkpoint, whole or not at all."""
    SPEC.save(
        {
            "config": asdict(model.config),
            "scale": asdict(model.scale),
            "parts": list(model.parts),
            "weights": weights_of(model.generator),
            "provenance": asdict(model.provenance),
        },
        path,
    )


def load(path: str | os.PathLike[str]) -> TrainedGenerator:
    """Read a checkpoint, or the `model.ckpt` in the folder of a run; nothing in the file is executed.

    Returns
    -------
    model : TrainedGenerator
        In `eval()`, on the CPU.

    Raises
    ------
    CheckpointError
        The file is missing, truncated, or something else.
    """
    return SPEC.load(path, _build)


def _build(fields: dict[str, Any]) -> TrainedGenerator:
    config, scale, weights = config_from_plain(fields["config"]), LogMel(**fields["scale"]), fields["weights"]
    held = sum(value.numel() for value in weights.values())
    if len(config.widths) > len(weights) or config.bands > _MAX_BANDS or max(config.widths) ** 2 > held:
        raise ValueError(WRONG_SIZE)  # before memory is allocated for it
    network = generator(config)
    network.load_state_dict(weights)
    parts = tuple(int(part) for part in fields["parts"])
    return TrainedGenerator(network.eval(), config, scale, parts, Provenance(**fields["provenance"]))
