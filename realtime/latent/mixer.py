"""From knobs to latent frames: the sources of the latent, their sum, their smoothing.

Latents are played as standard scores in order of importance: score 1 of `/latent/1` is one standard deviation along the
dimension that changes the sound most. Everything random is seeded and counted in frames, so that the same events give
the same frames again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from export.errors import GlitchError
from export.format.card import Latent
from realtime.latent.latent_map import LatentMap
from realtime.latent.looper import MODES, Looper, LooperState, Overdub
from realtime.latent.walk import Walk, WalkState, pace


class LatentsError(GlitchError):
    """What should be a state of the latent's sources is none, or is one of another model."""


class Smoother:
    """Follows targets with a time constant each, a frame at a time."""

    def __init__(self, targets: np.ndarray, frame_rate: float) -> None:
        self.now = targets.astype(float)
        self._frame_rate = frame_rate
        self._times = b""
        self._shares = np.ones(0)

    def next(self, targets: np.ndarray, time_ms: np.ndarray | float) -> np.ndarray:
        """Go one frame towards `targets`; a time of 0 goes there at once."""
        self.now += self._share(np.asarray(time_ms, float)) * (targets - self.now)
        return self.now

    def _share(self, time_ms: np.ndarray) -> np.ndarray:
        """Say what part of the way is gone in a frame; times seldom change."""
        times = time_ms.tobytes()
        if times != self._times:
            frames = np.maximum(time_ms * self._frame_rate / 1000.0, 1e-9)
            self._times, self._shares = times, 1.0 - np.exp(-1.0 / frames)
        return self._shares


@dataclass(frozen=True, eq=False)
class LatentMixerState:
    """Where the sources of the latent are, without the faders and without what is recorded in the loop.

    Attributes
    ----------
    scores : np.ndarray [shape=(latents,)]
        What was played last, which is where the smoothing goes on from.
    walk, loop
        What these were doing.
    """

    scores: np.ndarray
    walk: WalkState
    loop: LooperState

    def pack(self) -> tuple[dict[str, Any], list[np.ndarray]]:
        """Turn it into values that JSON can hold, and arrays [shape=(latents,)]."""
        walk, loop, overdub = self.walk, self.loop, self.loop.overdub
        meta: dict[str, Any] = {
            "walk": {"seed": walk.seed, "at": walk.at, "push": walk.push},
            "loop": {"mode": loop.mode, "at": loop.at, "record": loop.record, "play": loop.play, "overdub": None},
        }
        arrays = [self.scores, walk.drift]
        if overdub is not None:
            meta["loop"]["overdub"] = {"before": overdub.before, "behind": overdub.behind}
            arrays += [overdub.start, overdub.change, overdub.waiting]
        return meta, arrays

    @classmethod
    def unpack(cls, meta: Mapping[str, Any], arrays: Sequence[np.ndarray]) -> LatentMixerState:
        """Undo `pack`.

        Raises
        ------
        LatentsError
            They don't come from `pack`.
        """
        try:
            scores, drift, *rest = (np.array(array, float) for array in arrays)
            loop = dict(meta["loop"])
            if loop["overdub"] is not None:
                start, change, waiting = rest
                loop["overdub"] = Overdub(start=start, change=change, waiting=waiting, **loop["overdub"])
            state = cls(scores, WalkState(drift=drift, **meta["walk"]), LooperState(**loop))
            state._check((scores, drift, *rest))
        except (KeyError, TypeError, ValueError) as error:
            raise LatentsError(
                f"This is no state of the latent's sources ({error}); take the snapshot again."
            ) from None
        return state

    def _check(self, arrays: Sequence[np.ndarray]) -> None:
        """See that a number that comes from a file cannot silence what it is summed into."""
        overdub = self.loop.overdub
        places = [self.walk.seed, self.walk.at, self.loop.at]
        if not all(math.isfinite(place) and place >= 0 for place in places):
            raise ValueError("a place is not finite, or below 0")
        if overdub is not None and not (math.isfinite(overdub.before) and isinstance(overdub.behind, int | None)):
            raise ValueError("the place of the overdub is no number")
        if any(array.shape != self.scores.shape or not np.isfinite(array).all() for array in arrays):
            raise ValueError("an array is not finite, or not of the length of the others")
        if self.loop.mode not in MODES:
            raise ValueError(f"the loop is {self.loop.mode}, and not one of {', '.join(MODES)}")


class LatentMixer:
    """Sums the sources and gives latent frames.

    The faders, the place on the map and the live input make the gesture. The walk and the loop are added to it; the sum
    goes through a scale and a bias for each dimension, then through the smoothing.

    Parameters
    ----------
    latent
        Of the model's card.
    frame_rate
        Latent frames a second.
    seed
        Of the walk.

    Attributes
    ----------
    manual, scale, bias : np.ndarray [shape=(latents,)]
        The faders, in standard scores by importance.
    smoothing_ms : np.ndarray [shape=(latents,)]
        Time constant of each latent, in the same order; -1 follows `/smoothing`.
    scores : np.ndarray [shape=(latents,)]
        What was played last, in the same order.
    walk, loop
        The sources that go on by themselves.
    """

    def __init__(self, latent: Latent, frame_rate: float, seed: int = 0) -> None:
        self.manual = np.zeros(latent.size)
        self.scale = np.ones(latent.size)
        self.bias = np.zeros(latent.size)
        self.smoothing_ms = np.full(latent.size, -1.0)
        self.scores = np.zeros(latent.size)
        self.walk = Walk(latent.size, frame_rate, seed)
        self.loop = Looper(latent.size, frame_rate)
        self._map = LatentMap(latent)
        self._smoother = Smoother(self.manual, frame_rate)
        self._order = np.array(latent.order, int)
        self._inverse = np.argsort(self._order)
        self._mean, self._std = np.array(latent.mean), np.array(latent.std)

    def next(self, knobs: Mapping[str, float], heard: np.ndarray | None = None) -> np.ndarray:
        """Give the next latent frame [shape=(latents,)] in the model's own order and scale.

        Parameters
        ----------
        knobs
            Values by address, as the table of parameters has them: `/smoothing`, `/tempo`, and all of `/walk/`, `/xy/`
            and `/loop/` that are no triggers, and `/input/amount`.
        heard : np.ndarray [shape=(latents,)]
            The latent of the live input, in the model's own order and scale; None where there is no input. One that is
            not finite is taken for none.
        """
        gesture = self._gesture(knobs, heard)
        walk = self.walk.next(
            pace(knobs["/walk/speed"], knobs["/tempo"], knobs["/walk/beats"]),
            knobs["/walk/radius"],
            int(knobs["/walk/kind"]),
        )
        loop = self.loop.next(
            gesture,
            record=bool(knobs["/loop/record"]),
            overdub=bool(knobs["/loop/overdub"]),
            play=bool(knobs["/loop/play"]),
            speed=knobs["/loop/speed"],
        )
        time_ms = np.where(self.smoothing_ms < 0, knobs["/smoothing"], self.smoothing_ms)
        self.scores = self._smoother.next(self._sum(knobs, gesture, walk, loop), time_ms).copy()
        return self._mean + self._std * self.scores[self._inverse]

    def jump(self, knobs: Mapping[str, float]) -> None:
        """Let everything be where it points, without a glide: before the first frame."""
        walk = self.walk.place(knobs["/walk/radius"], int(knobs["/walk/kind"]))
        self._smoother.now[:] = self._sum(knobs, self._gesture(knobs, None), walk, self.loop.place())

    def snapshot(self) -> LatentMixerState:
        """Note where the sources are."""
        return LatentMixerState(self._smoother.now.copy(), self.walk.snapshot(), self.loop.snapshot())

    def restore(self, state: LatentMixerState) -> None:
        """Go on from where the sources were; with the same knobs, and the same in the loop, the frames are the same.

        Raises
        ------
        LatentsError
            The state has another number of latents, or holds no state of a walk; nothing is changed.
        """
        size = len(self.scores)
        if len(state.scores) != size:
            raise LatentsError(
                f"The state has {len(state.scores)} latents, and the model has {size}; load the model that it is of."
            )
        try:
            self.walk.restore(state.walk)
        except (KeyError, TypeError, ValueError) as error:
            raise LatentsError(f"This is no state of a walk ({error}); take the snapshot again.") from None
        self.loop.restore(state.loop)
        self._smoother.now[:] = state.scores
        self.scores = state.scores.copy()

    def _gesture(self, knobs: Mapping[str, float], heard: np.ndarray | None) -> np.ndarray:
        """Sum what the performer does."""
        gesture = self.manual.copy()
        if knobs["/xy/amount"]:
            gesture += knobs["/xy/amount"] * self._map.at(knobs["/xy/x"], knobs["/xy/y"])
        if knobs["/input/amount"] and heard is not None and np.isfinite(heard).all():
            gesture += knobs["/input/amount"] * ((heard - self._mean) / self._std)[self._order]
        return gesture

    def _sum(self, knobs: Mapping[str, float], gesture: np.ndarray, walk: np.ndarray, loop: np.ndarray) -> np.ndarray:
        return self.scale * (gesture + walk + knobs["/loop/amount"] * loop) + self.bias
