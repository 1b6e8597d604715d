"""Exploration of a latent space, rendered to a sound file and a picture.

The stage plays without its processes (`realtime.decks.offline_deck`): the same walk, engine, decoder and callback. A
walk with the same seed and parameters gives the same samples here and on stage.
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
from models.encoding.encoded_sound import encode_sound
from models.files.block_reader import Audio
from models.files.sound_writer import written
from models.play_to_file import latent_routes
from models.play_to_file.latent_routes import GridRoute, MorphRoute, Route, SweepRoute, ThroughRoute, WalkRoute
from models.play_to_file.named_parameters import set_named
from models.report.long_spectrogram import LatentPath, LongSpectrogram
from realtime.decks.offline_deck import OfflineDeck
from realtime.engine.engine import Engine
from realtime.takes.recorder import check_path

Way = Literal["linear", "spherical", "brownian", "sweep", "grid", "through"]
WAYS: tuple[Way, ...] = get_args(Way)
WALK_S = 20.0
MAX_S = 24 * 3600.0
PROGRESS_FRAMES = 64  # frames between two calls of `on_share`


class ExploreError(GlitchError):
    """The exploration doesn't fit the model, or its settings are wrong."""


@dataclass(frozen=True)
class ExploreSettings:
    """Settings of an exploration.

    Attributes
    ----------
    way
        A walk, `linear`, `spherical` or `brownian`; a morph between sounds, `linear` or `spherical`; a `sweep` of each
        latent; a `grid` of points on the map; or a sound `through` encode and decode.
    sounds
        Sound files: two or more for a morph, one for `through`.
    seconds
        Duration. Default: 20 s for a walk, else as the route requires.
    speed
        Steps per second of a walk.
    radius
        Extent of a walk, sweep or grid in standard deviations.
    seed
        Seed of everything random.
    controls
        Values of the model's controls and other parameters of a deck, by name: `pitch`, `walk/beats`, `latent/1/bias`.
    rate
        Sample rate, Hz. Default: the model's; `through` keeps that of the sound.
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
    """The result of an exploration.

    Attributes
    ----------
    seconds, rate, channels
        Duration, sample rate and channels of the file.
    nonfinite
        Hops that were muted because the model returned non-finite values.
    """

    seconds: float
    rate: int
    channels: int
    nonfinite: int


def explore(
    model: str | os.PathLike[str],
    out: str | os.PathLike[str],
    settings: ExploreSettings,
    *,
    picture: str | os.PathLike[str] | None = None,
    on_share: Callable[[float], None] = lambda _share: None,
) -> Explored:
    """Play a route through a model to a sound file, written completely or not at all.

    Parameters
    ----------
    model
        Model file.
    out
        Sound file: .wav (32-bit float), .flac (24 bit) or any other format of recordings.
    settings
        The route, its duration and extent.
    picture
        PNG file for the spectrogram and the route; None draws none.
    on_share
        Called now and then with the share that is done, 0 to 1.

    Returns
    -------
    explored : Explored

    Raises
    ------
    GlitchError
        The model or a sound cannot be read, a control is unknown, or a file cannot be written.
    """
    check_path(out)
    if picture is not None:
        from models.report import png_plots as pictures

        pictures.check_place(picture)
    card = load(model)[1]
    with contextlib.closing(_route(model, card, settings)) as route:
        seconds = _seconds(settings, route)
        rate = route.rate if isinstance(route, ThroughRoute) else settings.rate or card.sample_rate
        engine = prepare(model, route, rate, settings)
        total = round(seconds * rate)
        hop = engine.decoder.hop * rate / card.sample_rate
        spectrogram, latent_path = LongSpectrogram(rate, total), LatentPath(math.ceil(total / hop))
        with written(Path(out), rate, engine.channels) as file:
            done = 0
            for audio in play(engine, route, total):
                file.write(audio)
                if picture is not None:
                    spectrogram.push(audio.mean(axis=1))
                    latent_path.push(engine.latents.scores)
                done += len(audio)
                if engine.frames % PROGRESS_FRAMES == 0 or done == total:
                    on_share(done / total)
    if picture is not None:
        pictures.plot_latent_path(picture, spectrogram, latent_path, card.latent, f"{card.name}: {_caption(settings)}")
    return Explored(total / rate, rate, engine.channels, engine.nonfinite)


def prepare(model: str | os.PathLike[str], route: Route, rate: float, settings: ExploreSettings) -> Engine:
    """Return an engine set to the start of a route, as a deck before its first frame."""
    engine = Engine(model, rate, seed=settings.seed, inputs=route.inputs)
    for address, value in route.knobs.items():
        latent_routes.set_knob(engine, address, value)
    for name, value in settings.controls.items():
        set_named(engine, name, value)
    route.begin(engine)
    engine.settle()
    return engine


def play(engine: Engine, route: Route, samples: int) -> Iterator[Audio]:
    """Yield the audio of a route hop by hop [shape=(samples, channels)], `samples` in all."""
    offline = OfflineDeck(engine)
    late = route.late(engine)
    while samples > 0:
        audio = offline.next(route.steer(engine))
        wanted = audio[late : late + samples]
        late -= min(late, len(audio))
        samples -= len(wanted)
        yield wanted


def _route(model: str | os.PathLike[str], card: Card, settings: ExploreSettings) -> Route:
    """Make the route of the settings."""
    card.method("decode")
    _check(settings)
    if settings.way == "through":
        return ThroughRoute(card, settings.sounds[0], settings.controls)
    if settings.way == "sweep":
        return SweepRoute(card, settings.radius, settings.seconds)
    if settings.way == "grid":
        return GridRoute(card, settings.radius, settings.seconds)
    if settings.sounds:
        return MorphRoute(
            card,
            [encode_sound(model, path) for path in settings.sounds],
            settings.way,
            settings.seconds,
            settings.controls,
        )
    return WalkRoute(settings.way, settings.speed, settings.radius)


def _check(settings: ExploreSettings) -> None:
    """Refuse contradictory settings."""
    count = len(settings.sounds)
    if settings.way not in WAYS:
        raise ExploreError(f"There is no way '{settings.way}'; there are {', '.join(WAYS)}.")
    if settings.seconds is not None and not 0 < settings.seconds <= MAX_S:
        raise ExploreError(f"It lasts longer than 0 s and at most {MAX_S / 3600:.0f} h, not {settings.seconds:g} s.")
    if settings.way == "through":
        if count != 1:
            raise ExploreError(
                f"One sound at a time goes through a model, and {count} are given; name one with --sound."
            )
        if settings.rate is not None or settings.seconds is not None:
            raise ExploreError("A sound that goes through a model keeps its own rate and length; leave both out.")
    elif settings.way in ("sweep", "grid", "brownian"):
        if count:
            raise ExploreError(f"'{settings.way}' takes no sounds; leave them out, or use 'linear' or 'spherical'.")
    elif count == 1:
        raise ExploreError("A morph needs two sounds or more; name two, or use 'through'.")


def _caption(settings: ExploreSettings) -> str:
    """Describe the settings in a few words."""
    if settings.sounds:
        return f"{settings.way}, {' → '.join(path.stem for path in settings.sounds)}"
    if settings.way in ("sweep", "grid"):
        return settings.way
    return f"a {settings.way} walk, speed {settings.speed:g} Hz, radius {settings.radius:g}, seed {settings.seed}"


def _seconds(settings: ExploreSettings, route: Route) -> float:
    if isinstance(route, WalkRoute):
        return WALK_S if settings.seconds is None else settings.seconds
    assert isinstance(route, SweepRoute | GridRoute | MorphRoute | ThroughRoute)
    return route.seconds
