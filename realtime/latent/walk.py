"""A walk through the latent space, seeded and counted in frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

LINEAR, SPHERICAL, BROWNIAN = 0, 1, 2
WALKS = ("linear", "spherical", "Brownian")


def pace(speed: float, tempo: float, beats: float) -> float:
    """Return the steps per second of a walk: one per `beats` quarters at `tempo` bpm, or `speed` if `beats` is 0."""
    return tempo / 60.0 / beats if beats > 0 else speed


@dataclass(frozen=True, eq=False)
class WalkState:
    """State of a walk.

    Attributes
    ----------
    seed
        Seed of the points.
    at
        Steps since the start.
    push
        State of the generator of the Brownian walk, as in `numpy.random.PCG64`.
    drift : np.ndarray [shape=(latents,)]
        Position of the Brownian walk.
    """

    seed: int
    at: float
    push: dict[str, Any]
    drift: np.ndarray


class Walk:
    """An endless walk, the same for the same seed.

    Linear and spherical walks ease from one random point to the next. The points come from a normal distribution around
    the centre and depend only on the seed and their number. A spherical walk keeps the distance from the centre that
    most training sounds have. A Brownian walk is an Ornstein-Uhlenbeck process of unit variance with rate `speed`.

    The state is the distance walked, not the time, so a new speed never causes a jump.

    Parameters
    ----------
    size
        Number of latents.
    frame_rate
        Latent frames per second.
    seed
        0 or more.
    """

    def __init__(self, size: int, frame_rate: float, seed: int = 0) -> None:
        self._size = size
        self._frame_rate = frame_rate
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """Restart at the centre with a seed of 0 or more."""
        self._seed = int(seed)
        self._at = 0.0  # steps since the start
        self._number = -1
        self._ends = np.zeros(self._size), np.zeros(self._size)
        self._drift = np.zeros(self._size)
        self._push = np.random.default_rng((self._seed, 0))

    def next(self, speed: float, radius: float, kind: int = LINEAR) -> np.ndarray:
        """Compute the next frame.

        Parameters
        ----------
        speed
            Steps per second, 0 or more; at most one step per frame.
        radius
            Extent of the walk in standard deviations.
        kind
            `LINEAR`, `SPHERICAL` or `BROWNIAN`.

        Returns
        -------
        np.ndarray [shape=(latents,)]
            Position in standard scores.
        """
        step = float(min(speed / self._frame_rate, 1.0))
        if kind == BROWNIAN:
            back = np.exp(-2.0 * step)
            self._drift = back * self._drift + np.sqrt(1.0 - back**2) * self._push.standard_normal(self._size)
        place = self.place(radius, kind)
        self._at += step
        return place

    def place(self, radius: float, kind: int = LINEAR) -> np.ndarray:
        """Return the current position [shape=(latents,)] without advancing."""
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
        """Copy the state."""
        return WalkState(self._seed, self._at, dict(self._push.bit_generator.state), self._drift.copy())

    def restore(self, state: WalkState) -> None:
        """Continue from a state.

        Raises
        ------
        ValueError, TypeError, KeyError
            `state.push` isn't a state of the generator; the walk is unchanged.
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
    """Interpolate between two points: direction along the sphere, distance linearly.

    Parameters
    ----------
    begin, end : np.ndarray [shape=(latents,)]
        The points.
    t
        0 (the beginning) to 1 (the end).

    Returns
    -------
    np.ndarray [shape=(latents,)]
        On a straight line if one of the points is the centre, which has no direction.
    """
    near, far = (float(np.linalg.norm(point)) for point in (begin, end))
    if min(near, far) < 1e-9:
        return (1 - t) * begin + t * end
    return ((1 - t) * near + t * far) / np.sqrt(len(end)) * _along_the_sphere(begin, end, t)


def _along_the_sphere(begin: np.ndarray, end: np.ndarray, t: float) -> np.ndarray:
    """Interpolate between the directions of two points (slerp).

    Returns
    -------
    np.ndarray [shape=(latents,)]
        On the sphere of radius sqrt(latents); on a straight line if `begin` is the centre, or if the directions are
        equal or opposite.

    References
    ----------
    K. Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985, section 3.3 (slerp).
    """
    radius = np.sqrt(len(end))
    to = end / max(float(np.linalg.norm(end)), 1e-9)
    if not begin.any():  # the first segment leads from the centre to the sphere
        return t * radius * to
    start = begin / np.linalg.norm(begin)
    angle = np.arccos(np.clip(start @ to, -1.0, 1.0))
    if angle < 1e-6 or np.pi - angle < 1e-6:
        return radius * ((1 - t) * start + t * to)
    return radius * (np.sin((1 - t) * angle) * start + np.sin(t * angle) * to) / np.sin(angle)
