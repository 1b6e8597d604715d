"""Sound without end from a model, to a file: what the stage plays while a walk leads it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from export.errors import GlitchError
from export.format.io import load
from models.files.sound_writer import check_new, written
from models.offline.explore import Explored, heard, ready
from models.offline.explore import Wish as Way
from models.offline.routes import KINDS, WalkRoute

LONGEST_MINUTES = 24 * 60.0
TOLD_EVERY = 64  # frames between two calls of `on_share`


class GenerateError(GlitchError):
    """Nothing can be generated as asked."""


@dataclass(frozen=True)
class Wish:
    """What is to be heard.

    Attributes
    ----------
    minutes
        How long.
    walk
        `linear`, `spherical` or `brownian`.
    speed
        Steps a second of the walk.
    radius
        How far it goes, in standard deviations.
    seed
        Of everything random.
    controls
        The model's own controls, and other knobs of a deck, by name.
    rate
        Of the file; None takes the model's.
    force
        Whether a file that is there already is replaced.
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
    wish: Wish,
    *,
    on_share: Callable[[float], None] = lambda _share: None,
) -> Explored:
    """Let a model that decodes walk, and write what is heard, in memory that doesn't grow; whole or not at all.

    Raises
    ------
    GlitchError
        The model cannot be read or doesn't decode, a control is unknown, or the file cannot be written.

    See Also
    --------
    models.offline.explore : the same with a picture, and other ways than walks.
    """
    out = Path(out)
    check_new(out, force=wish.force)
    if wish.walk not in KINDS:
        raise GenerateError(f"There is no walk '{wish.walk}'; there are {', '.join(KINDS)}.")
    if not 0 < wish.minutes <= LONGEST_MINUTES:
        raise GenerateError(f"It lasts longer than 0 and at most {LONGEST_MINUTES:.0f} minutes, not {wish.minutes:g}.")
    card = load(model)[1]
    if "decode" not in card.methods and "transform" in card.methods:
        raise GenerateError(
            f"The model '{card.name}' makes no sound by itself: it transforms sound; 'glitch-lab transform' sends a "
            "file through it."
        )
    card.method("decode")
    rate = wish.rate or card.sample_rate
    route = WalkRoute(wish.walk, wish.speed, wish.radius)
    engine = ready(model, route, rate, Way(seed=wish.seed, controls=wish.controls))
    total = round(60.0 * wish.minutes * rate)
    done = 0
    with written(out, rate, engine.channels) as file:
        for audio in heard(engine, route, total):
            file.write(audio)
            done += len(audio)
            if engine.frames % TOLD_EVERY == 0 or done == total:
                on_share(done / total)
    return Explored(total / rate, rate, engine.channels, engine.nonfinite)
