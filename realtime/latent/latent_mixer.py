"""Mixing of the latent: its sources, their sum and its smoothing.

Latents are played as standard scores in order of importance: a value of 1 for `/latent/1` is one standard deviation
along the dimension that changes the sound most. Everything random is seeded and counted in frames, so the same events
give the same frames.
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
    """A state of the latent's sources is damaged or belongs to another model."""


class Smoother:
    """Follows targets, each with its own time constant, frame by frame."""

    def __init__(self, targets: np.ndarray, frame_rate: float) -> None:
        self.now = targets.astype(float)
        self._frame_rate = frame_rate
        self._times = b""
        self._shares = np.ones(0)

    def next(self, targets: np.ndarray, time_ms: np.ndarray | float) -> np.ndarray:
        """Advance one frame towards the targets.

        Parameters
        ----------
        targets : np.ndarray [shape=(size,)]
        time_ms : np.ndarray [shape=(size,)] or float
            Time constants; 0 reaches the target at once.

        Returns
        -------
        values : np.ndarray [shape=(size,)]
        """
        self.now += self._share(np.asarray(time_ms, float)) * (targets - self.now)
        return self.now

    def _share(self, time_ms: np.ndarray) -> np.ndarray:
        """Return the share of the distance covered in a frame; kept, since times seldom change."""
        times = time_ms.tobytes()
        if times != self._times:
            frames = np.maximum(time_ms * self._frame_rate / 1000.0, 1e-9)
            self._times, self._shares = times, 1.0 - np.exp(-1.0 / frames)
        return self._shares


@dataclass(frozen=True, eq=False)
class LatentMixerState:
    """State of the latent's sources, without faders and without the frames of the loop.

    Attributes
    ----------
    scores : np.ndarray [shape=(latents,)]
        Latest output, from which the smoothing continues.
    walk, loop
        States of these sources.
    """

    scores: np.ndarray
    walk: WalkState
    loop: LooperState

    def pack(self) -> tuple[dict[str, Any], list[np.ndarray]]:
        """Split the state into JSON values and arrays [shape=(latents,)]."""
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
        """Restore a state from the result of `pack`.

        Returns
        -------
        LatentMixerState
            Its arrays are copies.

        Raises
        ------
        LatentsError
            The values don't come from `pack`.
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
                f"The state of the latent's sources is damaged ({error}); save the snapshot again."
            ) from None
        return state

    def _check(self, arrays: Sequence[np.ndarray]) -> None:
        """Refuse values from a file that would make the sum non-finite."""
        overdub = self.loop.overdub
        places = [self.walk.seed, self.walk.at, self.loop.at]
        if not all(math.isfinite(place) and place >= 0 for place in places):
            raise ValueError("a position is not finite, or below 0")
        if overdub is not None and not (math.isfinite(overdub.before) and isinstance(overdub.behind, int | None)):
            raise ValueError("the position of the overdub is not a number")
        if any(array.shape != self.scores.shape or not np.isfinite(array).all() for array in arrays):
            raise ValueError("an array is not finite, or differs in length from the others")
        if self.loop.mode not in MODES:
            raise ValueError(f"the mode of the loop is {self.loop.mode}, not one of {', '.join(MODES)}")


class LatentMixer:
    """Sums the sources of the latent into latent frames.

    Faders, map and live input sum to the gesture. Walk and loop are added; the sum passes a scale and a bias for each
    dimension, then the smoothing.

    Parameters
    ----------
    latent
        Latent of the model's card.
    frame_rate
        Latent frames per second.
    seed
        Seed of the walk.

    Attributes
    ----------
    manual, scale, bias : np.ndarray [shape=(latents,)]
        Faders, in standard scores by importance.
    smoothing_ms : np.ndarray [shape=(latents,)]
        Time constant of each latent, in the same order; -1 follows `/smoothing`.
    scores : np.ndarray [shape=(latents,)]
        Latest output, in the same order.
    walk, loop
        Sources that run by themselves.
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

    def next(self, knobs: Mapping[str, float], encoded: np.ndarray | None = None) -> np.ndarray:
        """Return the next latent frame in the model's own order and scale.

        Parameters
        ----------
        knobs
            Values by address, as in the parameter table: `/smoothing`, `/tempo`, `/input/amount` and all of `/walk/`,
            `/xy/` and `/loop/` except triggers.
        encoded : np.ndarray [shape=(latents,)] or None
            Latent of the live input, in the model's own order and scale; None without input. Ignored if not finite.

        Returns
        -------
        frame : np.ndarray [shape=(latents,)]
        """
        gesture = self._gesture(knobs, encoded)
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
        """Set all values to their targets at once, before the first frame."""
        walk = self.walk.place(knobs["/walk/radius"], int(knobs["/walk/kind"]))
        self._smoother.now[:] = self._sum(knobs, self._gesture(knobs, None), walk, self.loop.place())

    def snapshot(self) -> LatentMixerState:
        """Copy the state of the sources."""
        return LatentMixerState(self._smoother.now.copy(), self.walk.snapshot(), self.loop.snapshot())

    def restore(self, state: LatentMixerState) -> None:
        """Continue from a state; with the same knobs and the same loop, the frames are the same.

        Raises
        ------
        LatentsError
            The state has another number of latents, or that of its walk is damaged; nothing is changed.
        """
        size = len(self.scores)
        if len(state.scores) != size:
            raise LatentsError(
                f"The state has {len(state.scores)} latents, and the model has {size}; load the model of the state."
            )
        try:
            self.walk.restore(state.walk)
        except (KeyError, TypeError, ValueError) as error:
            raise LatentsError(f"The state of the walk is damaged ({error}); save the snapshot again.") from None
        self.loop.restore(state.loop)
        self._smoother.now[:] = state.scores
        self.scores = state.scores.copy()

    def _gesture(self, knobs: Mapping[str, float], encoded: np.ndarray | None) -> np.ndarray:
        """Sum the sources that the performer moves."""
        gesture = self.manual.copy()
        if knobs["/xy/amount"]:
            gesture += knobs["/xy/amount"] * self._map.at(knobs["/xy/x"], knobs["/xy/y"])
        if knobs["/input/amount"] and encoded is not None and np.isfinite(encoded).all():
            gesture += knobs["/input/amount"] * ((encoded - self._mean) / self._std)[self._order]
        return gesture

    def _sum(self, knobs: Mapping[str, float], gesture: np.ndarray, walk: np.ndarray, loop: np.ndarray) -> np.ndarray:
        return self.scale * (gesture + walk + knobs["/loop/amount"] * loop) + self.bias
