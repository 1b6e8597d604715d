"""Leads a model through its latent space, and writes what is heard on the way: to a sound file and a picture.

It is the stage that plays, without its processes (`realtime.decks.offline`): the same walk, engine, decoder and
callback. A walk with the same seed and knobs gives the same samples here and on the stage.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from export.errors import GlitchError
from export.format.card import Card
from export.format.io import load
from models.files.sound_reader import Audio
from models.files.sound_writer import written
from models.inference.encoded_sound import hear
from models.offline import routes
from models.offline.knobs import turn_named
from models.offline.routes import GridRoute, MorphRoute, Route, SweepRoute, ThroughRoute, WalkRoute
from models.report.long_spectrogram import Strip, Trail
from realtime.decks.offline import Offline
from realtime.engine.engine import Engine
from realtime.takes.recorder import check_path

Way = Literal["linear", "spherical", "brownian", "sweep", "grid", "through"]
WAYS: tuple[Way, ...] = get_args(Way)
WALK_S = 20.0
LONGEST_S = 24 * 3600.0
TOLD_EVERY = 64  # frames between two calls of `on_share`


class ExploreError(GlitchError):
    """This way cannot be gone with this model, or with what is asked for."""


@dataclass(frozen=True)
class Wish:
    """What is to be heard.

    Attributes
    ----------
    way
        A walk, `linear`, `spherical` or `brownian`; with sounds, from each to the next, `linear` or `spherical`; a
        `sweep` of each latent; a `grid` of places on the map; or a sound `through` encode and decode.
    sounds
        Files: two or more to go from one to the next, one to go through.
    seconds
        How long; None takes 20 s for a walk, and else what the way asks for.
    speed
        Steps a second of a walk.
    radius
        How far a walk, a sweep or a grid goes, in standard deviations.
    seed
        Of everything random.
    controls
        The model's own controls, and other knobs of a deck, by name: `pitch`, `walk/beats`, `latent/1/bias`.
    rate
        Of the stream; None takes the model's. A sound that goes through keeps its own.
    """

    way: Way = "linear"
    sounds: tuple[Path, ...] = ()
    seconds: float | None = None
    speed: float = 0.25
    radius: float = 1.0
    seed: int = 0
    controls: Mapping[str, float] = field(default_factory=dict)
    rate: int | None = None


@dataclass(frozen=True)
class Explored:
    """What was written."""

    seconds: float
    rate: int
    channels: int
    nonfinite: int


def explore(
    model: str | os.PathLike[str],
    out: str | os.PathLike[str],
    wish: Wish,
    *,
    picture: str | os.PathLike[str] | None = None,
    on_share: Callable[[float], None] = lambda _share: None,
) -> Explored:
    """Go a way through a model, and write what is heard; whole or not at all.

    Parameters
    ----------
    model
        A model file.
    out
        The sound file: .wav (32-bit float) or .flac (24 bit), and what else can be recorded to.
    wish
        Which way, how long, how far.
    picture
        A PNG file for the spectrogram and the way; None draws none.
    on_share
        Told from time to time what share is done.

    Raises
    ------
    GlitchError
        The model or a sound cannot be read, a control is unknown, or a file cannot be written.
    """
    check_path(out)
    if picture is not None:
        from models.report import plots as pictures  # now: what it lacks should be said before anything is made

        pictures.check_place(picture)
    card = load(model)[1]
    with contextlib.closing(_route(model, card, wish)) as route:
        seconds = _seconds(wish, route)
        rate = route.rate if isinstance(route, ThroughRoute) else wish.rate or card.sample_rate
        engine = ready(model, route, rate, wish)
        total = round(seconds * rate)
        hop = engine.decoder.hop * rate / card.sample_rate
        strip, trail = Strip(rate, total), Trail(math.ceil(total / hop))
        with written(Path(out), rate, engine.channels) as file:
            done = 0
            for audio in heard(engine, route, total):
                file.write(audio)
                if picture is not None:
                    strip.push(audio.mean(axis=1))
                    trail.push(engine.latents.scores)
                done += len(audio)
                if engine.frames % TOLD_EVERY == 0 or done == total:
                    on_share(done / total)
    if picture is not None:
        pictures.route(picture, strip, trail, card.latent, f"{card.name}: {_told(wish)}")
    return Explored(total / rate, rate, engine.channels, engine.nonfinite)


def ready(model: str | os.PathLike[str], route: Route, rate: float, wish: Wish) -> Engine:
    """Make the engine of a deck that stands where the route begins, as a deck of the stage stands before it plays."""
    engine = Engine(model, rate, seed=wish.seed, inputs=route.inputs)
    for address, value in route.knobs.items():
        routes.turn(engine, address, value)
    for name, value in wish.controls.items():
        turn_named(engine, name, value)
    route.begin(engine)
    engine.settle()
    return engine


def heard(engine: Engine, route: Route, samples: int) -> Iterator[Audio]:
    """Give what sounds on the way, frame by frame [shape=(frames, channels)], so many samples in all."""
    offline = Offline(engine)
    late = route.late(engine)
    while samples > 0:
        audio = offline.next(route.steer(engine))
        wanted = audio[late : late + samples]
        late -= min(late, len(audio))
        samples -= len(wanted)
        yield wanted


def _route(model: str | os.PathLike[str], card: Card, wish: Wish) -> Route:
    """Find the route that is wished for, or say why there is none."""
    card.method("decode")
    _check(wish)
    if wish.way == "through":
        return ThroughRoute(card, wish.sounds[0], wish.controls)
    if wish.way == "sweep":
        return SweepRoute(card, wish.radius, wish.seconds)
    if wish.way == "grid":
        return GridRoute(card, wish.radius, wish.seconds)
    if wish.sounds:
        return MorphRoute(card, [hear(model, path) for path in wish.sounds], wish.way, wish.seconds, wish.controls)
    return WalkRoute(wish.way, wish.speed, wish.radius)


def _check(wish: Wish) -> None:
    """Refuse what cannot be meant."""
    count = len(wish.sounds)
    if wish.way not in WAYS:
        raise ExploreError(f"There is no way '{wish.way}'; there are {', '.join(WAYS)}.")
    if wish.seconds is not None and not 0 < wish.seconds <= LONGEST_S:
        raise ExploreError(f"It lasts longer than 0 s and at most {LONGEST_S / 3600:.0f} h, not {wish.seconds:g} s.")
    if wish.way == "through":
        if count != 1:
            raise ExploreError(
                f"One sound at a time goes through a model, and {count} are given; name one with --sound."
            )
        if wish.rate is not None or wish.seconds is not None:
            raise ExploreError("A sound that goes through a model keeps its own rate and length; leave both out.")
    elif wish.way in ("sweep", "grid", "brownian"):
        if count:
            raise ExploreError(f"A {wish.way} way leads past no sounds; leave them out, or go 'linear' or 'spherical'.")
    elif count == 1:
        raise ExploreError("From one sound there is no way to another; name two, or send it 'through'.")


def _told(wish: Wish) -> str:
    """Say in a few words what was asked for."""
    if wish.sounds:
        return f"{wish.way}, {' → '.join(path.stem for path in wish.sounds)}"
    if wish.way in ("sweep", "grid"):
        return wish.way
    return f"a {wish.way} walk, speed {wish.speed:g} Hz, radius {wish.radius:g}, seed {wish.seed}"


def _seconds(wish: Wish, route: Route) -> float:
    if isinstance(route, WalkRoute):
        return WALK_S if wish.seconds is None else wish.seconds
    assert isinstance(route, SweepRoute | GridRoute | MorphRoute | ThroughRoute)
    return route.seconds
