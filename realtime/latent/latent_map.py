"""The map of a model's training sounds as something to play: a place on it gives a latent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from export.format.card import Latent, MapPoint

SOFTNESS = 1e-3  # of the map's width: finer than a controller of 7 bits and than a pixel of a pad


def places(points: Sequence[MapPoint]) -> np.ndarray:
    """Lay the points of a map into the unit square [shape=(points, 2)], which they fill from edge to edge.

    Along an axis on which all points have the same coordinate they lie in the middle.
    """
    if not points:
        return np.zeros((0, 2))
    drawn = np.array([(point.x, point.y) for point in points], float)
    low, extent = drawn.min(axis=0), np.ptp(drawn, axis=0)
    return np.where(extent > 0, (drawn - low) / np.where(extent > 0, extent, 1.0), 0.5)


class LatentMap:
    """Gives the latent at a place on the map, between the sounds around it.

    A sound's own place gives that sound, and between sounds they are mixed, the nearer the more: by the inverse fourth
    power of the distance. All sounds take part, with no cut at some number of neighbours, so that there is no line on
    the map where one of them drops out with a step. Sounds that lie closer together than `SOFTNESS` blend into one.

    The points of a map hold their latents in the model's own order and scale, as the encoder gives them
    (`export.format.card.MapPoint`); here they become standard scores by importance. Without a map, all places give
    zeros.

    Parameters
    ----------
    latent
        Of the model's card.

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
        """Give the latent at a place, in standard scores by importance [shape=(latents,)].

        Parameters
        ----------
        x, y
            0 to 1 across the map's bounding box, from left to right and from bottom to top. An axis along which all
            sounds lie at one coordinate changes nothing.
        """
        if not len(self._scores):
            return np.zeros(self._scores.shape[1])
        across = self._x - (x if self._wide else 0.5)
        up = self._y - (y if self._high else 0.5)
        near = 1.0 / (across * across + up * up + SOFTNESS**2)
        weights = near * near
        # Not a matrix product: a BLAS may start threads for it, and wait for them.
        return np.einsum("p,pk->k", weights, self._scores) / weights.sum()
