"""A walk through the latent space, seeded and counted in frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

LINEAR, SPHERICAL, BROWNIAN = 0, 1, 2
WALKS = ("linear", "spherical", "Brownian")


def pace(speed: float, tempo: float, beats: float) -> float:
    """Give the steps a second of a walk: one in `beats` quarters at `tempo` bpm, or `speed` where `beats` is 0."""
    return tempo / 60.0 / beats if beats > 0 else speed


@dataclass(frozen=True, eq=False)
class WalkState:
    """Where a walk is, and all that its way from there depends on.

    Attributes
    ----------
    seed
        What the points of the walk are drawn from.
    at
        Steps since the beginning.
    push
        The state of the generator that pushes a Brownian walk, as `numpy.random.PCG64` gives it.
    drift : np.ndarray [shape=(latents,)]
        Where the Brownian walk is.
    """

    seed: int
    at: float
    push: dict[str, Any]
    drift: np.ndarray


class Walk:
    """A walk without end, the same for the same seed.

    Linear and spherical walks go gently from one random point to the next. The points come from a normal distribution
    around the centre, and depend on the seed and their number alone; on a spherical walk they lie, and the way between
    them stays, at the distance from the centre that most training sounds have. A Brownian walk is pushed at random each
    frame and drawn back to the centre, at a pace of `speed` (an Ornstein-Uhlenbeck process of unit variance).

    What is kept is the way that was gone, and not the time: a new speed bends the way and never jumps along it.

    Parameters
    ----------
    size
        Number of latents.
    frame_rate
        Latent frames a second.
    seed
        0 or more.
    """

    def __init__(self, size: int, frame_rate: float, seed: int = 0) -> None:
        self._size = size
        self._frame_rate = frame_rate
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """Begin again, at the centre."""
        self._seed = int(seed)
        self._at = 0.0  # in steps since the beginning
        self._number = -1
        self._ends = np.zeros(self._size), np.zeros(self._size)
        self._drift = np.zeros(self._size)
        self._push = np.random.default_rng((self._seed, 0))

    def next(self, speed: float, radius: float, kind: int = LINEAR) -> np.ndarray:
        """Give the next frame [shape=(latents,)].

        Parameters
        ----------
        speed
            Steps a second, 0 or more; beyond a step a frame it goes no faster.
        radius
            How far the walk goes, in standard deviations.
        kind
            `LINEAR`, `SPHERICAL` or `BROWNIAN`.
        """
        step = float(min(speed / self._frame_rate, 1.0))
        if kind == BROWNIAN:
            back = np.exp(-2.0 * step)
            self._drift = back * self._drift + np.sqrt(1.0 - back**2) * self._push.standard_normal(self._size)
        place = self.place(radius, kind)
        self._at += step
        return place

    def place(self, radius: float, kind: int = LINEAR) -> np.ndarray:
        """Say where the walk is [shape=(latents,)], without going on."""
        if kind == BROWNIAN:
            return radius * self._drift
        number = int(self._at)
        if number != self._number:
            begin = self._ends[1] if number == self._number + 1 else self._point(number)
            self._ends = begin, self._point(number + 1)
            self._number = number
        t = self._at - number
        t = t * t * (3 - 2 * t)
        if kind == SPHERICAL:
            return radius * _along_the_sphere(*self._ends, t)
        return radius * ((1 - t) * self._ends[0] + t * self._ends[1])

    def snapshot(self) -> WalkState:
        """Note where the walk is."""
        return WalkState(self._seed, self._at, dict(self._push.bit_generator.state), self._drift.copy())

    def restore(self, state: WalkState) -> None:
        """Go on from where the walk was.

        Raises
        ------
        ValueError, TypeError, KeyError
            `state.push` is no state of the generator; the walk is as it was.
        """
        push = np.random.default_rng()
        push.bit_generator.state = state.push
        self.seed(state.seed)
        self._at, self._push = state.at, push
        self._drift = state.drift.copy()

    def _point(self, number: int) -> np.ndarray:
        if number == 0:
            return np.zeros(self._size)
        return np.random.default_rng((self._seed, number)).standard_normal(self._size)


def spherical(begin: np.ndarray, end: np.ndarray, t: float) -> np.ndarray:
    """Go from one point to another, in direction along the sphere and in distance from the centre on a line.

    Where one of them is the centre, which has no direction, it is a straight line.
    """
    near, far = (float(np.linalg.norm(point)) for point in (begin, end))
    if min(near, far) < 1e-9:
        return (1 - t) * begin + t * end
    return ((1 - t) * near + t * far) / np.sqrt(len(end)) * _along_the_sphere(begin, end, t)


def _along_the_sphere(begin: np.ndarray, end: np.ndarray, t: float) -> np.ndarray:
    """Go from the direction of one point to that of another along the sphere of radius sqrt(size).

    References
    ----------
    K. Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985, section 3.3 (slerp).
    """
    radius = np.sqrt(len(end))
    to = end / max(float(np.linalg.norm(end)), 1e-9)
    if not begin.any():  # the first way leads from the centre to the sphere
        return t * radius * to
    start = begin / np.linalg.norm(begin)
    angle = np.arccos(np.clip(start @ to, -1.0, 1.0))
    if angle < 1e-6 or np.pi - angle < 1e-6:
        return radius * ((1 - t) * start + t * to)
    return radius * (np.sin((1 - t) * angle) * start + np.sin(t * angle) * to) / np.sin(angle)
