"""From knobs to latent frames: the sources of the latent, their sum, their smoothing.

Latents are played as standard scores in order of importance: score 1 of `/latent/1` is one standard deviation along the
dimension that changes the sound most. Everything random is seeded and counted in frames, so that the same events give
the same frames again.
"""

from __future__ import annotations

import numpy as np

from export.contract import Latent


class Walk:
    """A walk through the latent space: from one random point to the next, gently, without end.

    The points come from a normal distribution around the centre, and depend on the seed and their number alone.
    """

    def __init__(self, size: int, frame_rate: float, seed: int = 0) -> None:
        self._size = size
        self._frame_rate = frame_rate
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """Begin again, at the centre."""
        self._seed = int(seed)
        self._at = 0.0  # in steps since the beginning
        self._number = 0
        self._ends = [self._point(0), self._point(1)]

    def next(self, speed: float, radius: float) -> np.ndarray:
        """Give the next frame [shape=(latents,)]; `speed` in steps a second, `radius` in standard deviations."""
        number = int(self._at)
        if number != self._number:
            self._number = number
            self._ends = [self._point(number), self._point(number + 1)]
        t = self._at - number
        t = t * t * (3 - 2 * t)
        self._at += speed / self._frame_rate
        return radius * ((1 - t) * self._ends[0] + t * self._ends[1])

    def _point(self, number: int) -> np.ndarray:
        if number == 0:
            return np.zeros(self._size)
        return np.random.default_rng((self._seed, number)).standard_normal(self._size)


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

    Attributes
    ----------
    manual : np.ndarray [shape=(latents,)]
        The faders, in standard scores by importance.
    scores : np.ndarray [shape=(latents,)]
        What was played last, in the same order.
    """

    def __init__(self, latent: Latent, frame_rate: float, seed: int = 0) -> None:
        self.manual = np.zeros(latent.size)
        self.scores = np.zeros(latent.size)
        self.walk = Walk(latent.size, frame_rate, seed)
        self._smoother = Smoother(self.manual, frame_rate)
        order = np.array(latent.order)
        self._mean, self._std, self._inverse = np.array(latent.mean), np.array(latent.std), np.argsort(order)

    def next(self, *, smoothing_ms: float, speed: float, radius: float) -> np.ndarray:
        """Give the next latent frame [shape=(latents,)] in the model's own order and scale."""
        faders = self._smoother.next(self.manual, smoothing_ms)
        self.scores = faders + self.walk.next(speed, radius)
        return self._mean + self._std * self.scores[self._inverse]

    def jump(self) -> None:
        """Let the faders be where they point, without a glide."""
        self._smoother.now[:] = self.manual
