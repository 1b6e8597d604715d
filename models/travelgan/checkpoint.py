"""The checkpoint of a generator, with all that its export needs, as plain data."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from export.format.card import Provenance
from export.streaming.stack import Chain
from models.dsp.log_mel import LogMel
from models.spectral.checkpoint import FILE_NAME, CheckpointError, load_plain, read_plain, write_plain
from models.spectral.settings import ConfigError
from models.travelgan.networks import GeneratorConfig, generator

KIND = "glitch-lab travel"
VERSION = 2
_MOST_BANDS = 4096


@dataclass(frozen=True)
class Traveller:
    """A trained generator, and what is known of it; it was trained to make `parts` of so many frames by themselves."""

    generator: Chain
    config: GeneratorConfig
    scale: LogMel
    parts: tuple[int, ...]
    provenance: Provenance


def save(model: Traveller, path: str | os.PathLike[str]) -> None:
    """Write a checkpoint, whole or not at all."""
    data = {
        "kind": KIND,
        "version": VERSION,
        "config": asdict(model.config),
        "scale": asdict(model.scale),
        "parts": list(model.parts),
        "weights": {key: value.detach().cpu() for key, value in model.generator.state_dict().items()},
        "provenance": asdict(model.provenance),
    }
    write_plain(data, path)


def load(path: str | os.PathLike[str]) -> Traveller:
    """Read a checkpoint, or the `model.ckpt` in a training's folder; nothing in the file is executed.

    Raises
    ------
    CheckpointError
        The file is missing, cut short, or something else.
    """
    path, data = read_plain(path, KIND, VERSION, "give the model.ckpt that 'glitch-lab train travel' wrote")
    try:
        config, scale = config_of(data["config"]), LogMel(**data["scale"])
        _check_shapes(config, data["weights"])
        made = generator(config)
        made.load_state_dict(data["weights"])
        parts = tuple(int(part) for part in data["parts"])
        provenance = Provenance(**data["provenance"])
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, OverflowError, ConfigError) as error:
        text = str(error).splitlines()[0]
        raise CheckpointError(f"{path} contradicts itself ({text}); train the model again.") from None
    return Traveller(made.eval(), config, scale, parts, provenance)


def is_one(path: str | os.PathLike[str]) -> bool:
    """Say whether a file that is there is a generator's checkpoint, or another one; raises as `load` does."""
    path = Path(path)
    return load_plain(path / FILE_NAME if path.is_dir() else path).get("kind") == KIND


def config_of(plain: dict[str, Any]) -> GeneratorConfig:
    """Undo `dataclasses.asdict`."""
    return GeneratorConfig(**{**plain, "widths": tuple(plain["widths"]), "reach": tuple(plain["reach"])})


def _check_shapes(config: GeneratorConfig, weights: dict[str, torch.Tensor]) -> None:
    """Make sure that a model is no larger than its weights, before memory is taken for it."""
    held = sum(value.numel() for value in weights.values())
    if len(config.widths) > len(weights) or config.bands > _MOST_BANDS or max(config.widths) ** 2 > held:
        raise ValueError("its weights are not of the size that its settings say")
