"""From knobs to latent frames: the sources of the latent, their sum, their smoothing.

Latents are played as standard scores in order of importance: score 1 of `/latent/1` is one standard deviation along the
dimension that changes the sound most. Everything random is seeded and counted in frames, so that the same events give
the same frames again.
"""

from __future__ import annotations

import numpy as np

from export.contract import Latent

LINEAR, SPHERICAL, BROWNIAN = 0, 1, 2
WALKS = ("linear", "spherical", "Brownian")


class Walk:
    """A walk through the latent space, without end, the same for the same seed.

    Linear and spherical walks go gently from one random point to the next. The points come from a normal distribution
    around the centre, and depend on the seed and their number alone; on a spherical walk they lie, and the way between
    them stays, at the distance from the centre that most training sounds have. A Brownian walk is pushed at random each
    frame and drawn back to the centre, at a pace of `speed` (an Ornstein-Uhlenbeck process of unit variance).
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
        self._drift = np.zeros(self._size)
        self._push = np.random.default_rng((self._seed, 0))

    def next(self, speed: float, radius: float, kind: int = LINEAR) -> np.ndarray:
        """Give the next frame [shape=(latents,)]; `speed` in steps a second, `radius` in standard deviations."""
        step = speed / self._frame_rate
        number = int(self._at)
        if number != self._number:
            self._number = number
            self._ends = self._point(number), self._point(number + 1)
        t = self._at - number
        t = t * t * (3 - 2 * t)
        self._at += step
        if kind == BROWNIAN:
            back = np.exp(-2.0 * step)
            self._drift = back * self._drift + np.sqrt(1.0 - back**2) * self._push.standard_normal(self._size)
            return radius * self._drift
        if kind == SPHERICAL:
            return radius * _along_the_sphere(*self._ends, t)
        return radius * ((1 - t) * self._ends[0] + t * self._ends[1])

    def _point(self, number: int) -> np.ndarray:
        if number == 0:
            return np.zeros(self._size)
        return np.random.default_rng((self._seed, number)).standard_normal(self._size)


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


class Smoother:
    """Follows targets with a time constant each, a frame at a time."""

    def __init__(self, targets: np.ndarray, frame_rate: float) -> None:
        self.now = targets.astype(float)
        self._frame_rate = frame_rate

    def next(self, targets: np.ndarray, time_ms: np.ndarray | float) -> np.ndarray:
        """Go one frame towards `targets`; a time of 0 goes there at once."""
        frames = np.maximum(np.asarray(time_ms) * self._frame_rate / 1000.0, 1e-9)
        self.now += (1.0 - np.exp(-1.0 / frames)) * (targets - self.now)
        return self.now


class Latents:
    """Sums the sources and gives latent frames.

    The sum goes through a scale and a bias for each dimension, then through the smoothing.

    Attributes
    ----------
    manual, scale, bias : np.ndarray [shape=(latents,)]
        The faders, in standard scores by importance.
    scores : np.ndarray [shape=(latents,)]
        What was played last, in the same order.
    """

    def __init__(self, latent: Latent, frame_rate: float, seed: int = 0) -> None:
        self.manual = np.zeros(latent.size)
        self.scale = np.ones(latent.size)
        self.bias = np.zeros(latent.size)
        self.scores = np.zeros(latent.size)
        self.walk = Walk(latent.size, frame_rate, seed)
        self._smoother = Smoother(self.manual, frame_rate)
        order = np.array(latent.order)
        self._mean, self._std, self._inverse = np.array(latent.mean), np.array(latent.std), np.argsort(order)

    def next(self, *, smoothing_ms: float, speed: float, radius: float, kind: int = LINEAR) -> np.ndarray:
        """Give the next latent frame [shape=(latents,)] in the model's own order and scale."""
        wanted = self.scale * (self.manual + self.walk.next(speed, radius, kind)) + self.bias
        self.scores = self._smoother.next(wanted, smoothing_ms).copy()
        return self._mean + self._std * self.scores[self._inverse]

    def jump(self) -> None:
        """Let the faders be where they point, without a glide."""
        self._smoother.now[:] = self.scale * self.manual + self.bias
