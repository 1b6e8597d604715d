"""Routes through a model's latent space: walks, sweeps, the map, morphs between sounds, and a sound through the model.

A route only sets parameters of the stage, so every route can also be played live.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from export.format.card import Card
from models.encoding.encoded_sound import EncodedSound, FollowedControls, must_encode
from models.files.block_reader import Audio, SoundFile
from realtime.engine.engine import Engine
from realtime.latent.walk import WALKS, spherical

KINDS = tuple(name.lower() for name in WALKS)
EACH_S = 2.0
"""Time of the sweep of one latent."""

HOLD_S = 0.75
"""Time at each point of the map."""

SIDE = 4
"""Points along a side of the map."""


class Route:
    """Steers an engine. This base class only sets parameters at the start.

    Parameters
    ----------
    knobs
        Parameter values by address, set before the first frame.

    Attributes
    ----------
    inputs : int
        Channels of live input that the route provides.
    """

    inputs = 0

    def __init__(self, knobs: Mapping[str, float]) -> None:
        self.knobs = dict(knobs)

    def late(self, engine: Engine) -> int:
        """Return the number of output samples to skip at the start."""
        return 0

    def begin(self, engine: Engine) -> None:
        """Prepare an engine after its parameters are set and before its first frame."""

    def steer(self, engine: Engine) -> Audio | None:
        """Set parameters for the next frame and return its live input, if the route has any."""
        return None

    def close(self) -> None:
        """Close files."""


class WalkRoute(Route):
    """A seeded walk; see `realtime.latent.walk`.

    Parameters
    ----------
    kind
        One of `KINDS`.
    speed, radius
        Steps per second, and extent in standard deviations.
    """

    def __init__(self, kind: str, speed: float, radius: float) -> None:
        super().__init__({"/walk/kind": KINDS.index(kind), "/walk/speed": speed, "/walk/radius": radius})


class SweepRoute(Route):
    """Sweeps one latent after the other, strongest first, with the others at the mean.

    Parameters
    ----------
    card
        Of the model.
    radius
        Distance of both ends from the mean, in standard deviations.
    seconds
        Time for all latents. Default: `EACH_S` for each.
    """

    def __init__(self, card: Card, radius: float, seconds: float | None = None) -> None:
        super().__init__({"/walk/radius": 0.0, "/latent/1": -radius})
        self.seconds = EACH_S * card.latent.size if seconds is None else seconds
        self._radius, self._latents = radius, card.latent.size
        self._frames = max(self.seconds * _frame_rate(card), 1.0)
        self._last = 0

    def steer(self, engine: Engine) -> None:
        """Move the present latent."""
        place = min(engine.frames / self._frames, 1.0) * self._latents
        k = min(int(place), self._latents - 1)
        if k != self._last:
            set_knob(engine, f"/latent/{self._last + 1}", 0.0)
            self._last = k
        set_knob(engine, f"/latent/{k + 1}", self._radius * (2.0 * (place - k) - 1.0))


class GridRoute(Route):
    """Visits the map of the training sounds point by point; without a map, the plane of the two strongest latents.

    Parameters
    ----------
    card
        Of the model.
    radius
        Distance of the edges from the mean without a map, in standard deviations.
    seconds
        Time for all points. Default: `HOLD_S` for each.
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
        """Go to the present point."""
        k = min(int(engine.frames / self._frames * len(self._places)), len(self._places) - 1)
        for address, value in self._knobs_at(k):
            set_knob(engine, address, value)

    def _knobs_at(self, k: int) -> list[tuple[str, float]]:
        shares = [step / (SIDE - 1) for step in self._places[k]]
        values = [self._low + share * (self._high - self._low) for share in shares]
        return list(zip(self._addresses, values, strict=False))


class MorphRoute(Route):
    """Morphs from sound to sound, each stretched over the whole time, with pitch and loudness interpolated.

    Parameters
    ----------
    card
        Of the model.
    sounds
        Two or more encoded sounds.
    kind
        `linear`, or `spherical`: direction along the sphere, distance from the mean linearly.
    seconds
        Duration. Default: that of the longest sound.
    fixed
        Controls that keep their values.
    """

    def __init__(
        self,
        card: Card,
        sounds: Sequence[EncodedSound],
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
        """Let controls follow at once, and start with the first sound."""
        engine.controls_at_once = True
        self.steer(engine)

    def steer(self, engine: Engine) -> None:
        """Go to the present mixture of two sounds."""
        share = min(engine.frames / self._last, 1.0)
        scores, controls = self._at(share)
        for k, score in enumerate(scores):
            set_knob(engine, f"/latent/{k + 1}", score)
        set_controls(engine, controls, self._fixed)

    def _at(self, share: float) -> tuple[NDArray[np.float64], dict[str, float]]:
        place = share * (len(self._sounds) - 1)
        k = min(int(place), len(self._sounds) - 2)
        t = place - k
        (begin, controls), (end, later) = (sound.at(share) for sound in self._sounds[k : k + 2])
        scores = spherical(begin, end, t) if self._spherical else (1 - t) * begin + t * end
        return scores, {name: (1 - t) * controls[name] + t * later[name] for name in controls}


class ThroughRoute(Route):
    """Sends a sound file of any length through `encode` and `decode` as live input, in constant memory.

    Parameters
    ----------
    card
        Of the model.
    path
        Sound file; the output has its sample rate and length.
    fixed
        Controls that keep their values; pitch and loudness otherwise follow the sound.
    """

    def __init__(self, card: Card, path: str | os.PathLike[str], fixed: Collection[str] = ()) -> None:
        must_encode(card)
        super().__init__({"/walk/radius": 0.0, "/smoothing": 0.0, "/input/amount": 1.0})
        self._file = SoundFile(path)
        self._controls = FollowedControls(path, card)
        self._fixed = fixed
        self.inputs, self.rate = self._file.channels, self._file.rate
        self.seconds = self._file.frames / self.rate

    def late(self, engine: Engine) -> int:
        """Return the model's delay, so that output and input are aligned."""
        return engine.input_delay

    def begin(self, engine: Engine) -> None:
        """Let controls follow at once."""
        engine.controls_at_once = True

    def steer(self, engine: Engine) -> Audio:
        """Read the input of the next frame and set its pitch and loudness."""
        card, decoder = engine.decoder.card, engine.decoder
        ratio = engine.sample_rate / card.sample_rate
        delay = engine.input_delay - round(decoder.delay * ratio)
        set_controls(engine, self._controls.at(engine.frames - delay / (decoder.hop * ratio)), self._fixed)
        return self._file.read(engine.input_wanted)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def set_knob(engine: Engine, address: str, value: float) -> None:
    """Set a parameter of an engine, as an event does."""
    engine.apply(engine.table[address].index, value)


def set_controls(engine: Engine, controls: Mapping[str, float], fixed: Collection[str]) -> None:
    """Set the model's controls, except fixed ones."""
    for name, value in controls.items():
        if name not in fixed:
            set_knob(engine, f"/{name}", value)


def _frame_rate(card: Card) -> float:
    return card.sample_rate / card.method("decode").hop
