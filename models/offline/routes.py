"""Where a model is led, frame by frame: walks, sweeps, over its map, from sound to sound, and after a sound it hears.

A route turns knobs that a player of the stage has, and nothing else, so wherever it leads can be gone live.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from export.format.card import Card
from models.files.sound_reader import Audio, SoundFile
from models.inference.encoded_sound import Following, Heard, must_encode
from realtime.engine.engine import Engine
from realtime.latent.walk import WALKS, spherical

KINDS = tuple(name.lower() for name in WALKS)
EACH_S = 2.0
"""Time in which a latent is swept."""

HOLD_S = 0.75
"""Time at each place of the map."""

SIDE = 4
"""Places along a side of the map."""


class Route:
    """Leads an engine. This one lets its walk walk, as the knobs say.

    Parameters
    ----------
    knobs
        Values by address, from before the first frame on.

    Attributes
    ----------
    inputs : int
        Channels of live input that the route gives.
    """

    inputs = 0

    def __init__(self, knobs: Mapping[str, float]) -> None:
        self.knobs = dict(knobs)

    def late(self, engine: Engine) -> int:
        """Samples at the beginning that belong to nothing the route leads to."""
        return 0

    def begin(self, engine: Engine) -> None:
        """Make an engine ready, once its knobs stand and before its first frame."""

    def steer(self, engine: Engine) -> Audio | None:
        """Turn what is to be turned before the next frame, and give its live input, where the route has some."""
        return None

    def close(self) -> None:
        """Let go of files."""


class WalkRoute(Route):
    """A seeded walk; see `realtime.latent.walk`.

    Parameters
    ----------
    kind
        One of `KINDS`.
    speed, radius
        Steps a second, and how far it goes, in standard deviations.
    """

    def __init__(self, kind: str, speed: float, radius: float) -> None:
        super().__init__({"/walk/kind": KINDS.index(kind), "/walk/speed": speed, "/walk/radius": radius})


class SweepRoute(Route):
    """One latent after the other from end to end, the strongest first, while the others are at the mean.

    Parameters
    ----------
    card
        Of the model.
    radius
        How far an end is from the mean, in standard deviations.
    seconds
        Time for all of them; None takes `EACH_S` for each.
    """

    def __init__(self, card: Card, radius: float, seconds: float | None = None) -> None:
        super().__init__({"/walk/radius": 0.0, "/latent/1": -radius})
        self.seconds = EACH_S * card.latent.size if seconds is None else seconds
        self._radius, self._latents = radius, card.latent.size
        self._frames = max(self.seconds * _frame_rate(card), 1.0)
        self._last = 0

    def steer(self, engine: Engine) -> None:
        """Move the latent whose turn it is."""
        place = min(engine.frames / self._frames, 1.0) * self._latents
        k = min(int(place), self._latents - 1)
        if k != self._last:
            turn(engine, f"/latent/{self._last + 1}", 0.0)
            self._last = k
        turn(engine, f"/latent/{k + 1}", self._radius * (2.0 * (place - k) - 1.0))


class GridRoute(Route):
    """Place by place over the map of the training sounds, row by row; without a map, over the two strongest latents.

    Parameters
    ----------
    card
        Of the model.
    radius
        How far the edge is from the mean where there is no map, in standard deviations.
    seconds
        Time for all places; None takes `HOLD_S` for each.
    """

    def __init__(self, card: Card, radius: float, seconds: float | None = None) -> None:
        mapped = bool(card.latent.map)
        strongest = [f"/latent/{k + 1}" for k in range(min(card.latent.size, 2))]
        self._addresses = ["/xy/x", "/xy/y"] if mapped else strongest
        self._low, self._high = (0.0, 1.0) if mapped else (-radius, radius)
        there = [(column, row) for row in range(SIDE) for column in range(SIDE)]
        self._places = there if len(self._addresses) == 2 else there[:SIDE]
        super().__init__({"/walk/radius": 0.0, "/xy/amount": float(mapped)} | dict(self._knobs_at(0)))
        self.seconds = HOLD_S * len(self._places) if seconds is None else seconds
        self._frames = max(self.seconds * _frame_rate(card), 1.0)

    def steer(self, engine: Engine) -> None:
        """Go to the place whose turn it is."""
        k = min(int(engine.frames / self._frames * len(self._places)), len(self._places) - 1)
        for address, value in self._knobs_at(k):
            turn(engine, address, value)

    def _knobs_at(self, k: int) -> list[tuple[str, float]]:
        shares = [step / (SIDE - 1) for step in self._places[k]]
        values = [self._low + share * (self._high - self._low) for share in shares]
        return list(zip(self._addresses, values, strict=False))


class MorphRoute(Route):
    """From sound to sound, each stretched over the whole time, with pitch and loudness gliding along.

    Parameters
    ----------
    card
        Of the model.
    sounds
        Two or more.
    kind
        `linear`, or `spherical`: by direction along the sphere and by distance from the mean on a line.
    seconds
        How long it takes; None takes the longest sound's time.
    fixed
        Controls that stay as they are set.
    """

    def __init__(
        self,
        card: Card,
        sounds: Sequence[Heard],
        kind: str,
        seconds: float | None = None,
        fixed: Collection[str] = (),
    ) -> None:
        super().__init__({"/walk/radius": 0.0, "/smoothing": 0.0})
        self._sounds, self._spherical = sounds, kind == "spherical"
        self._fixed = fixed
        longest = max(len(sound) for sound in sounds) / _frame_rate(card)
        self.seconds = longest if seconds is None else seconds
        self._last = max(self.seconds * _frame_rate(card) - 1.0, 1.0)

    def begin(self, engine: Engine) -> None:
        """Let controls follow at once, and begin at the first sound."""
        engine.controls_at_once = True
        self.steer(engine)

    def steer(self, engine: Engine) -> None:
        """Go to the mixture of the two sounds whose turn it is."""
        share = min(engine.frames / self._last, 1.0)
        scores, told = self._at(share)
        for k, score in enumerate(scores):
            turn(engine, f"/latent/{k + 1}", score)
        tell(engine, told, self._fixed)

    def _at(self, share: float) -> tuple[NDArray[np.float64], dict[str, float]]:
        place = share * (len(self._sounds) - 1)
        k = min(int(place), len(self._sounds) - 2)
        t = place - k
        (begin, told), (end, also) = (sound.at(share) for sound in self._sounds[k : k + 2])
        scores = spherical(begin, end, t) if self._spherical else (1 - t) * begin + t * end
        return scores, {name: (1 - t) * told[name] + t * also[name] for name in told}


class ThroughRoute(Route):
    """A sound file through `encode` and `decode`, as live input goes, of any length and in memory that doesn't grow.

    Parameters
    ----------
    card
        Of the model.
    path
        The sound; what comes out has its rate and its length.
    fixed
        Controls that stay as they are set; pitch and loudness follow the sound otherwise.
    """

    def __init__(self, card: Card, path: str | os.PathLike[str], fixed: Collection[str] = ()) -> None:
        must_encode(card)
        super().__init__({"/walk/radius": 0.0, "/smoothing": 0.0, "/input/amount": 1.0})
        self._file = SoundFile(path)
        self._following = Following(path, card)
        self._fixed = fixed
        self.inputs, self.rate = self._file.channels, self._file.rate
        self.seconds = self._file.frames / self.rate

    def late(self, engine: Engine) -> int:
        """Give the model's delay, so that what comes out lies beside what went in."""
        return engine.input_delay

    def begin(self, engine: Engine) -> None:
        """Let controls follow at once."""
        engine.controls_at_once = True

    def steer(self, engine: Engine) -> Audio:
        """Read what the next frame hears, and tell its pitch and loudness."""
        card, decoder = engine.decoder.card, engine.decoder
        ratio = engine.sample_rate / card.sample_rate
        heard_late = engine.input_delay - round(decoder.delay * ratio)
        tell(engine, self._following.at(engine.frames - heard_late / (decoder.hop * ratio)), self._fixed)
        return self._file.read(engine.input_wanted)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def turn(engine: Engine, address: str, value: float) -> None:
    """Turn a knob, as an event does."""
    engine.apply(engine.table[address].index, value)


def tell(engine: Engine, told: Mapping[str, float], fixed: Collection[str]) -> None:
    """Turn the model's own controls, but for those that are fixed."""
    for name, value in told.items():
        if name not in fixed:
            turn(engine, f"/{name}", value)


def _frame_rate(card: Card) -> float:
    return card.sample_rate / card.method("decode").hop
