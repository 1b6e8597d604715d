"""Scales and shifts of bent layers, from the five parameters of each layer.

`scale` multiplies the layer's channels and `shift` is added to them. `amount` and `seed` select the channels: the seed
gives an order, and the amount the share of channels, so that increasing it reaches one channel after the other.
`channel` selects a single channel instead. Values are smoothed for each channel, and end exactly at their targets,
because a model at rest is decoded by the graph without bends.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from export.format.card import Method
from realtime.engine.loaded_method import run_of
from realtime.params.table import BEND_PARAMETERS, SMOOTHING_MS, bend_address

TOLERANCE = 1e-5  # of a control's range: a value this near to its target is set to it


class Bends:
    """The scales and shifts of a method's bent layers, a frame at a time.

    Parameters
    ----------
    method
        The method's entry in the card.
    frame_rate
        Latent frames per second.

    Attributes
    ----------
    places : slice or np.ndarray [shape=(values,)], int
        Indices of the bends among the values of all the method's controls.
    now : np.ndarray [shape=(values,)]
        The bends of the last frame.
    rows : dict[str, int]
        The layer of each parameter, by address.
    """

    def __init__(self, method: Method, frame_rate: float) -> None:
        spans = [np.arange(a, b) for a, b in pairwise(np.cumsum([0, *(c.size for c in method.controls)]))]
        pairs = [k for bend in method.bends for k in (bend.scale, bend.shift)]
        controls = [method.controls[k] for k in pairs]
        self.places = run_of(np.concatenate([np.zeros(0, int), *(spans[k] for k in pairs)]))
        self.now = np.array([c.default for c in controls for _ in range(c.size)])
        self._layers = method.bends
        self.rows = {bend_address(b.layer, knob): k for k, b in enumerate(self._layers) for knob in BEND_PARAMETERS}
        self._starts = np.cumsum([0, *(2 * bend.channels for bend in self._layers)])
        self._orders: dict[int, tuple[int, np.ndarray]] = {}  # by layer: the seed and the order that it gives
        self._targets = self.now.copy()
        self._tolerances = np.array([TOLERANCE * (c.maximum - c.minimum) for c in controls for _ in range(c.size)])
        self._share = 1.0 - np.exp(-1000.0 / (SMOOTHING_MS * frame_rate))
        self._changed: set[int] = set()
        self._moving, self._fresh = False, True

    def turn(self, address: str) -> None:
        """Note that a parameter has changed."""
        self._changed.add(self.rows[address])

    def next(self, values: Mapping[str, float]) -> bool:
        """Advance the smoothing by a frame.

        Parameters
        ----------
        values
            Of the deck's parameters, by address.

        Returns
        -------
        changed : bool
            Whether `now` has changed.
        """
        self._aim(values)
        if self._moving:
            distance = self._targets - self.now
            arrived = np.abs(distance) <= self._tolerances
            self.now = np.where(arrived, self._targets, self.now + self._share * distance)
            self._moving, self._fresh = not arrived.all(), True
        fresh, self._fresh = self._fresh, False
        return fresh

    def jump(self, values: Mapping[str, float]) -> None:
        """Jump to the targets without smoothing."""
        self._aim(values)
        self.now, self._moving, self._fresh = self._targets.copy(), False, True

    def restore(self, now: np.ndarray) -> None:
        """Continue from an earlier `now`."""
        self.now = self.now.copy()
        self.now[:] = now
        self._moving = True

    def _aim(self, values: Mapping[str, float]) -> None:
        """Update the targets of the layers whose parameters have changed."""
        for k in self._changed:
            bend, start = self._layers[k], self._starts[k]
            scale, shift, amount, seed, channel = (values[bend_address(bend.layer, knob)] for knob in BEND_PARAMETERS)
            if self._orders.get(k, (-1, None))[0] != seed:
                self._orders[k] = (int(seed), channel_order(bend.channels, int(seed)))
            share = channel_weights(self._orders[k][1], amount, int(channel))
            self._targets[start : start + bend.channels] = 1.0 + share * (scale - 1.0)
            self._targets[start + bend.channels : start + 2 * bend.channels] = share * shift
        self._moving = self._moving or bool(self._changed)
        self._changed.clear()


def channel_order(channels: int, seed: int) -> np.ndarray:
    """Return each channel's rank in the order in which `amount` reaches them [shape=(channels,)]."""
    return np.random.default_rng(seed).permutation(channels)


def channel_weights(ranks: np.ndarray, amount: float, channel: int = 0) -> np.ndarray:
    """Compute how much each channel of a layer is bent.

    Parameters
    ----------
    ranks : np.ndarray [shape=(channels,)], int
        From `channel_order`.
    amount
        Share of the channels, 0 to 1; the last one is bent in part, so that nothing jumps when it changes.
    channel
        The only channel to be bent, from 1; 0 for the share.

    Returns
    -------
    weights : np.ndarray [shape=(channels,)]
        0 to 1.
    """
    if channel > 0:
        return (np.arange(len(ranks)) == channel - 1).astype(float)
    return np.clip(amount * len(ranks) - ranks, 0.0, 1.0)
