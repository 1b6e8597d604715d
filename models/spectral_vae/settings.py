"""Settings of a training, from presets, a TOML file and the command line."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from models.spectral_vae.network import VaeConfig
from models.training.errors import ConfigError
from models.training.resume import check_unchanged

MAX_STEPS = 10**9


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training.

    Attributes
    ----------
    model
        The network.
    seed
        Seed of all random numbers.
    max_steps, max_minutes
        The training ends after that many steps, or after the steps that fit into the minutes; they are counted once,
        when it begins.
    segments, segment_frames
        A step sees `segments` pieces of `segment_frames` frames.
    learning_rate, warmup_steps
        The rate rises over `warmup_steps`, and falls as a cosine until the end.
    weight_decay, clip
        Of AdamW, and the largest norm of a gradient.
    beta, slowness, beta_warmup
        Weights of the KL divergence and of the movement of the latent between frames; both rise over the first part
        `beta_warmup` of the training.
    warp_semitones, gain_db, stretch
        Largest random change of a piece: pitch and level, either way, and factor of its duration, longer or shorter.
    noise_db
        Largest level of the noise in the encoder's input, relative to the sound; None for no noise.
    prepare
        Whether sounds are trimmed and brought to one loudness before the analysis; None does so for a folder without a
        manifest.
    check_every, patience
        Steps between two evaluations on held-out sounds, and evaluations without improvement after which training
        stops.
    media_every
        Steps between two previews in TensorBoard.
    keep_minutes
        How old the checkpoint may become between evaluations, minutes.
    """

    model: VaeConfig = field(default_factory=VaeConfig)
    seed: int = 0
    max_steps: int = 20_000
    max_minutes: float | None = None
    segments: int = 64
    segment_frames: int = 4
    learning_rate: float = 2e-3
    warmup_steps: int = 200
    weight_decay: float = 1e-4
    clip: float = 1.0
    beta: float = 1e-3
    beta_warmup: float = 0.2
    slowness: float = 0.01
    warp_semitones: float = 1.2
    gain_db: float = 0.0
    stretch: float = 1.0
    noise_db: float | None = None
    prepare: bool | None = None
    check_every: int = 500
    media_every: int = 5_000
    patience: int = 12
    keep_minutes: float = 2.0


Preset = Literal["fast", "good", "overnight"]

PRESETS: dict[Preset, dict[str, Any]] = {
    # A few minutes on two cores: to find out whether the sounds are worth more.
    "fast": {
        "max_steps": 4_000,
        "segments": 32,
        "warmup_steps": 100,
        "check_every": 200,
        "media_every": 2_000,
        "model": {"latent": 8, "encoder_hidden": 160, "hidden": 256, "harmonics": 48, "bands": 64},
    },
    # The defaults: half an hour.
    "good": {},
    # A wider network with a whole night, which an hour without improvement doesn't stop.
    "overnight": {
        "max_steps": 200_000,
        "learning_rate": 1e-3,
        "warmup_steps": 1_000,
        "check_every": 1_000,
        "media_every": 20_000,
        "patience": 40,
        "model": {"encoder_hidden": 480, "hidden": 768, "layers": 3},
    },
}
"""The settings that each preset changes, as a configuration file would."""

_RESUMABLE = {"max_steps", "max_minutes", "check_every", "media_every", "patience", "keep_minutes"}
"""Settings that may change when a training is resumed."""

_RANGES: dict[str, tuple[float, float]] = {
    "seed": (0, 2**32 - 1),
    "max_steps": (1, MAX_STEPS),
    "max_minutes": (0.01, 10**6),
    "segments": (1, 65_536),
    "segment_frames": (2, 1024),
    "learning_rate": (1e-8, 1.0),
    "warmup_steps": (1, 10**6),
    "weight_decay": (0, 1),
    "clip": (1e-6, 1e6),
    "beta": (0, 100),
    "beta_warmup": (1e-6, 1),
    "slowness": (0, 100),
    "warp_semitones": (0, 12),
    "gain_db": (0, 40),
    "stretch": (1, 4),
    "noise_db": (-120, 0),
    "check_every": (1, 10**9),
    "media_every": (1, 10**9),
    "patience": (1, 10**6),
    "keep_minutes": (1e-3, 10**4),
    "sample_rate": (8_000, 192_000),
    "n_fft": (64, 16_384),
    "hop": (16, 8_192),
    "latent": (1, 512),
    "encoder_hidden": (1, 8_192),
    "hidden": (1, 8_192),
    "layers": (1, 16),
    "harmonics": (1, 1024),
    "bands": (2, 1024),
    "pitch_waves": (1, 16),
    "quietest_db": (-100, -20),
}


def read(path: str | os.PathLike[str] | None, *, preset: str | None = None, **overrides: Any) -> TrainConfig:
    """Read settings from a TOML file: those of `TrainConfig` at the top, those of `VaeConfig` under `[model]`.

    If minutes are given and steps aren't, the limit of steps is `MAX_STEPS`.

    Parameters
    ----------
    path
        The file, or None for the defaults.
    preset
        A name of `PRESETS`, for the settings that the file doesn't give.
    overrides
        Settings that replace the file's; None leaves a setting unchanged.

    Returns
    -------
    config : TrainConfig
        With the defaults for settings that neither overrides, file nor preset give.

    Raises
    ------
    ConfigError
        The file cannot be read, or a setting is wrong; the message names it and its possible values.
    """
    base = _preset(preset)
    data = _toml(Path(path)) if path is not None else {}
    model = data.pop("model", {})
    if not isinstance(model, dict):
        raise ConfigError("'model' must be a table: write [model] and its settings below it.")
    data |= {key: value for key, value in overrides.items() if value is not None}
    model = base.pop("model", {}) | model
    data = base | _with_steps(data)
    config = TrainConfig(model=VaeConfig(**_checked(VaeConfig, model)), **_checked(TrainConfig, data))
    check(config)
    return config


def check(config: TrainConfig) -> None:
    """Check settings that were made elsewhere.

    Raises
    ------
    ConfigError
        Names the setting that is wrong and what it may be.
    """
    for settings in (config, config.model):
        given = {entry.name: getattr(settings, entry.name) for entry in fields(settings)}
        _checked(
            type(settings), {name: value for name, value in given.items() if name != "model" and value is not None}
        )
    shape = config.model
    if shape.n_fft & (shape.n_fft - 1) or shape.n_fft % shape.hop or shape.n_fft < 4 * shape.hop:
        raise ConfigError(
            f"n_fft must be a power of two and at least four whole hops, not {shape.n_fft} with a hop of {shape.hop}."
        )


def changed(kept: TrainConfig, **overrides: Any) -> TrainConfig:
    """Replace settings of a training that is resumed.

    Parameters
    ----------
    kept
        The settings so far.
    overrides
        Fields of `TrainConfig` by name; None leaves a setting unchanged.

    Returns
    -------
    config : TrainConfig

    Raises
    ------
    ConfigError
        A setting is wrong; the message names it and its possible values.
    """
    data = _with_steps({key: value for key, value in overrides.items() if value is not None})
    return replace(kept, **_checked(TrainConfig, data))


def from_plain(data: dict[str, Any]) -> TrainConfig:
    """Read what `dataclasses.asdict` gives."""
    return TrainConfig(**{**data, "model": VaeConfig(**data["model"])})


def check_resumable(before: TrainConfig, now: TrainConfig) -> None:
    """Refuse to resume a training with settings that would make it another one.

    Raises
    ------
    ConfigError
        Names the setting that changed.
    """
    if now.prepare is None:
        now = replace(now, prepare=before.prepare)
    names = [entry.name for entry in fields(TrainConfig)]
    check_unchanged(before, now, [name for name in names if name not in _RESUMABLE | {"model"}])
    check_unchanged(before.model, now.model, [entry.name for entry in fields(VaeConfig)])


def _preset(name: str | None) -> dict[str, Any]:
    if name is None:
        return {}
    for known, data in PRESETS.items():
        if name == known:
            return dict(data)
    raise ConfigError(f"There is no preset '{name}'; there are {', '.join(PRESETS)}.")


def _with_steps(data: dict[str, Any]) -> dict[str, Any]:
    """Lift the default limit of steps where minutes are given."""
    return {"max_steps": MAX_STEPS} | data if "max_minutes" in data else data


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"There is no configuration {path}; check the path.") from None
    except OSError as error:
        raise ConfigError(f"Cannot read the configuration {path}: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"The configuration {path} is not TOML: it is not even text.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"The configuration {path} is not TOML: {error}.") from None


def _checked(kind: type[TrainConfig] | type[VaeConfig], data: dict[str, Any]) -> dict[str, Any]:
    known = {entry.name: str(entry.type) for entry in fields(kind) if entry.name != "model"}
    checked: dict[str, Any] = {}
    for name, value in data.items():
        if name not in known:
            raise ConfigError(f"There is no setting '{name}'; there are {', '.join(known)}.")
        if known[name] == "bool | None":
            if not isinstance(value, bool):
                raise ConfigError(f"The setting '{name}' must be true or false, not {value!r}.")
            checked[name] = value
            continue
        whole = known[name] == "int"
        number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        low, high = _RANGES[name]
        if not number or not low <= value <= high:
            kind_text = "a whole number" if whole else "a number"
            raise ConfigError(f"The setting '{name}' must be {kind_text} from {low:g} to {high:g}, not {value!r}.")
        checked[name] = value if whole else float(value)
    return checked
