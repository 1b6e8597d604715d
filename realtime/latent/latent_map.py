"""The map of a model's training sounds: a point on it gives a latent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from export.format.card import Latent, MapPoint

SOFTNESS = 1e-3  # of the map's width: finer than a 7-bit controller and a pixel of a pad


def places(points: Sequence[MapPoint]) -> np.ndarray:
    """Scale the points of a map to the unit square.

    Returns
    -------
    np.ndarray [shape=(points, 2)]
        x and y, 0 to 1; 0.5 on an axis where all points have the same coordinate.
    """
    if not points:
        return np.zeros((0, 2))
    drawn = np.array([(point.x, point.y) for point in points], float)
    low, extent = drawn.min(axis=0), np.ptp(drawn, axis=0)
    return np.where(extent > 0, (drawn - low) / np.where(extent > 0, extent, 1.0), 0.5)


class LatentMap:
    """Interpolates latents between the sounds of a map.

    At its own point a sound is reproduced; between points, sounds are weighted by the inverse fourth power of the
    distance. All sounds contribute, so nowhere on the map does one drop out with a step. Sounds closer together than
    `SOFTNESS` blend.

    Latents of map points are in the model's own order and scale (`export.format.card.MapPoint`) and are converted to
    standard scores by importance. A model without a map gives zeros.

    Parameters
    ----------
    latent
        Latent of the model's card.

    References
    ----------
    D. Shepard, "A two-dimensional interpolation function for irregularly-spaced data", ACM 1968.
    """

    def __init__(self, latent: Latent) -> None:
        order = np.array(latent.order, int)
        own = np.array([point.latent for point in latent.map], float).reshape(len(latent.map), latent.size)
        self._scores = ((own - np.array(latent.mean)) / np.array(latent.std))[:, order]  # [points, latents]
        self._x, self._y = np.ascontiguousarray(places(latent.map).T)
        self._wide, self._high = len(set(self._x)) > 1, len(set(self._y)) > 1

    def at(self, x: float, y: float) -> np.ndarray:
        """Return the latent at a point, in standard scores by importance.

        Parameters
        ----------
        x, y
            0 to 1 across the map's bounding box, from left to right and from bottom to top. An axis on which all sounds
            share a coordinate has no effect.

        Returns
        -------
        scores : np.ndarray [shape=(latents,)]
        """
        if not len(self._scores):
            return np.zeros(self._scores.shape[1])
        across = self._x - (x if self._wide else 0.5)
        up = self._y - (y if self._high else 0.5)
        near = 1.0 / (across * across + up * up + SOFTNESS**2)
        weights = near * near
        # Not a matrix product: a BLAS may start threads for it and wait for them.
        return np.einsum("p,pk->k", weights, self._scores) / weights.sum()
