"""Endless sound of a model, rendered to a file: what the stage plays during a walk."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from export.errors import GlitchError
from export.format.io import load
from models.files.sound_writer import check_new, written
from models.play_to_file.explore import Explored, ExploreSettings, play, prepare
from models.play_to_file.latent_routes import KINDS, WalkRoute

MAX_MINUTES = 24 * 60.0
PROGRESS_FRAMES = 64  # frames between two calls of `on_share`


class GenerateError(GlitchError):
    """The model cannot generate, or the settings are wrong."""


@dataclass(frozen=True)
class GenerateSettings:
    """Settings of a generation.

    Attributes
    ----------
    minutes
        Duration.
    walk
        `linear`, `spherical` or `brownian`.
    speed
        Steps per second of the walk.
    radius
        Extent of the walk in standard deviations.
    seed
        Seed of everything random.
    controls
        Values of the model's controls and other parameters of a deck, by name.
    rate
        Sample rate of the file, Hz. Default: the model's.
    force
        Whether to replace an existing file.
    """

    minutes: float
    walk: str = "linear"
    speed: float = 0.25
    radius: float = 1.0
    seed: int = 0
    controls: Mapping[str, float] = field(default_factory=dict)
    rate: int | None = None
    force: bool = False


def generate(
    model: str | os.PathLike[str],
    out: str | os.PathLike[str],
    settings: GenerateSettings,
    *,
    on_share: Callable[[float], None] = lambda _share: None,
) -> Explored:
    """Play a walk to a sound file in constant memory, written completely or not at all.

    Parameters
    ----------
    model
        Model file with the method `decode`.
    out
        Sound file.
    settings
        Duration and walk.
    on_share
        Called now and then with the share that is done, 0 to 1.

    Returns
    -------
    explored : Explored

    Raises
    ------
    GenerateError
        The model doesn't decode, or the settings are wrong.
    GlitchError
        The model cannot be read, a control is unknown, or the file cannot be written.

    See Also
    --------
    models.play_to_file.explore : The same with a picture, and for other routes.
    """
    out = Path(out)
    check_new(out, force=settings.force)
    if settings.walk not in KINDS:
        raise GenerateError(f"There is no walk '{settings.walk}'; there are {', '.join(KINDS)}.")
    if not 0 < settings.minutes <= MAX_MINUTES:
        raise GenerateError(f"It lasts longer than 0 and at most {MAX_MINUTES:.0f} minutes, not {settings.minutes:g}.")
    card = load(model)[1]
    if "decode" not in card.methods and "transform" in card.methods:
        raise GenerateError(
            f"The model '{card.name}' makes no sound by itself: it transforms sound; 'glitch-lab transform' sends a "
            "file through it."
        )
    card.method("decode")
    rate = settings.rate or card.sample_rate
    route = WalkRoute(settings.walk, settings.speed, settings.radius)
    engine = prepare(model, route, rate, ExploreSettings(seed=settings.seed, controls=settings.controls))
    total = round(60.0 * settings.minutes * rate)
    done = 0
    with written(out, rate, engine.channels) as file:
        for audio in play(engine, route, total):
            file.write(audio)
            done += len(audio)
            if engine.frames % PROGRESS_FRAMES == 0 or done == total:
                on_share(done / total)
    return Explored(total / rate, rate, engine.channels, engine.nonfinite)
