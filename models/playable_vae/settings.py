"""Settings of the training of a playable model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from models.playable_vae.network import PlayableConfig
from models.training.errors import ConfigError


@dataclass(frozen=True)
class PlayableSettings:
    """Settings of a training.

    Attributes
    ----------
    model
        The network.
    seed
        Seed of all random numbers.
    max_steps, max_minutes
        The training ends after that many steps, or after the steps that fit into the minutes.
    segments, segment_frames, shift_semitones
        A step sees `segments` pieces of `segment_frames` frames, each shifted by up to `shift_semitones` either way.
    learning_rate, warmup_steps
        The rate rises over `warmup_steps`, and falls as a cosine until the end.
    weight_decay, clip
        Of AdamW, and the largest norm of a gradient.
    beta, slowness, beta_warmup
        Weights of the KL divergence and of the movement of the latent between frames; both rise over the first part
        `beta_warmup` of the training.
    check_every
        Steps between two evaluations.
    fit_steps
        Steps in which presets, and then the spectral encoder, are fitted to the finished model.
    """

    model: PlayableConfig = field(default_factory=PlayableConfig)
    seed: int = 0
    max_steps: int = 20_000
    max_minutes: float | None = None
    segments: int = 32
    segment_frames: int = 8
    learning_rate: float = 2e-3
    warmup_steps: int = 100
    weight_decay: float = 1e-4
    clip: float = 1.0
    beta: float = 2e-3
    beta_warmup: float = 0.2
    slowness: float = 0.03
    shift_semitones: float = 0.6
    check_every: int = 1_000
    fit_steps: int = 3_000


def checked(settings: PlayableSettings) -> PlayableSettings:
    """Check settings.

    Returns
    -------
    settings : PlayableSettings
        Unchanged.

    Raises
    ------
    ConfigError
        A setting is out of range; the message names the first one.
    """
    least = {"max_steps": settings.max_steps, "fit_steps": settings.fit_steps, "latent": settings.model.latent}
    for name, value in least.items():
        if value < 1:
            raise ConfigError(f"The setting '{name}' must be at least 1, not {value}.")
    if settings.max_minutes is not None and settings.max_minutes <= 0:
        raise ConfigError(f"The setting 'max_minutes' must be above 0, not {settings.max_minutes:g}.")
    if settings.seed < 0:
        raise ConfigError(f"The seed must be 0 or more, not {settings.seed}.")
    return settings


FIXED = ("model", "seed")
"""Settings that a resumed training keeps."""


def from_plain(data: dict[str, Any]) -> PlayableSettings:
    """Read what `dataclasses.asdict` gives."""
    return PlayableSettings(**{**data, "model": PlayableConfig(**data["model"])})
