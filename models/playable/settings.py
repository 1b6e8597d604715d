"""How a playable model is trained."""

from __future__ import annotations

from dataclasses import dataclass, field

from models.playable.network import PlayableConfig
from models.spectral.settings import ConfigError


@dataclass(frozen=True)
class PlayableSettings:
    """Settings of a training.

    A step sees `segments` pieces of `segment_frames` frames, each as if it were played up to `shift_semitones` higher
    or lower. The learning rate rises over `warmup_steps` and falls as a cosine until `max_steps`, or `max_minutes` if
    those are over before. `beta` weighs the KL divergence and `slowness` the movement of the latent from frame to
    frame; both rise over the first part (`beta_warmup`) of the training. Presets and the encoder that hears sound are
    fitted to the finished model afterwards, in `fit_steps` each.
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
    """Give the settings back, if a training can follow them.

    Raises
    ------
    ConfigError
        One is out of range.
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
