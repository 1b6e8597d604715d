"""What the knobs of bent layers make of each channel.

A layer has five knobs. `scale` and `shift` are what its channels are multiplied by and what is added to them. `amount`
and `seed` say which channels that touches: the first of an order that the seed gives, so that turning it up reaches one
channel after the other. `channel` touches that one alone. What follows is smoothed channel by channel, and comes to
rest exactly where it points, because a model that rests is decoded without its bends.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from export.format.card import Method
from realtime.engine.graph import run_of
from realtime.params.table import BEND_KNOBS, SMOOTHING_MS, bend_address

NEAR = 1e-5  # of a control's range: so near to where it points, a value has come there


class Bends:
    """The scales and shifts of a method's bent layers, a frame at a time.

    Parameters
    ----------
    method
        What the card says of it.
    frame_rate
        Latent frames a second.

    Attributes
    ----------
    places : np.ndarray [shape=(values,)], int, or a slice where they follow on each other
        Where among the values of all the method's controls those stand that are made here.
    now : np.ndarray [shape=(values,)]
        These, as the last frame got them.
    rows : dict[str, int]
        The layer that each knob turns, by address.
    """

    def __init__(self, method: Method, frame_rate: float) -> None:
        spans = [np.arange(a, b) for a, b in pairwise(np.cumsum([0, *(c.size for c in method.controls)]))]
        pairs = [k for bend in method.bends for k in (bend.scale, bend.shift)]
        controls = [method.controls[k] for k in pairs]
        self.places = run_of(np.concatenate([np.zeros(0, int), *(spans[k] for k in pairs)]))
        self.now = np.array([c.default for c in controls for _ in range(c.size)])
        self._layers = method.bends
        self.rows = {bend_address(b.layer, knob): k for k, b in enumerate(self._layers) for knob in BEND_KNOBS}
        self._starts = np.cumsum([0, *(2 * bend.channels for bend in self._layers)])
        self._orders: dict[int, tuple[int, np.ndarray]] = {}  # of a layer's channels, and the seed that it is from
        self._targets = self.now.copy()
        self._near = np.array([NEAR * (c.maximum - c.minimum) for c in controls for _ in range(c.size)])
        self._pace = 1.0 - np.exp(-1000.0 / (SMOOTHING_MS * frame_rate))
        self._turned: set[int] = set()
        self._moving, self._fresh = False, True

    def turn(self, address: str) -> None:
        """Note that a knob has been turned."""
        self._turned.add(self.rows[address])

    def next(self, knobs: Mapping[str, float]) -> bool:
        """Go a frame towards where the knobs point, values by address; say whether `now` is another than before."""
        self._aim(knobs)
        if self._moving:
            way = self._targets - self.now
            there = np.abs(way) <= self._near
            self.now = np.where(there, self._targets, self.now + self._pace * way)
            self._moving, self._fresh = not there.all(), True
        fresh, self._fresh = self._fresh, False
        return fresh

    def jump(self, knobs: Mapping[str, float]) -> None:
        """Be where the knobs point."""
        self._aim(knobs)
        self.now, self._moving, self._fresh = self._targets.copy(), False, True

    def restore(self, now: np.ndarray) -> None:
        """Go on from values that were `now` once."""
        self.now = self.now.copy()
        self.now[:] = now
        self._moving = True

    def _aim(self, knobs: Mapping[str, float]) -> None:
        """Take in what has been turned since the last frame."""
        for k in self._turned:
            bend, start = self._layers[k], self._starts[k]
            scale, shift, amount, seed, channel = (knobs[bend_address(bend.layer, knob)] for knob in BEND_KNOBS)
            if self._orders.get(k, (-1, None))[0] != seed:
                self._orders[k] = (int(seed), order(bend.channels, int(seed)))
            share = touched(self._orders[k][1], amount, int(channel))
            self._targets[start : start + bend.channels] = 1.0 + share * (scale - 1.0)
            self._targets[start + bend.channels : start + 2 * bend.channels] = share * shift
        self._moving = self._moving or bool(self._turned)
        self._turned.clear()


def order(channels: int, seed: int) -> np.ndarray:
    """Give each channel's place in the order in which `amount` reaches them [shape=(channels,)]."""
    return np.random.default_rng(seed).permutation(channels)


def touched(places: np.ndarray, amount: float, channel: int = 0) -> np.ndarray:
    """Say how much each channel of a layer is bent [shape=(channels,)], 0 to 1.

    Parameters
    ----------
    places
        Of the channels in the order in which they are reached.
    amount
        Share of the channels, 0 to 1; the last of them is bent in part, so that nothing jumps when it is turned.
    channel
        The only one to be bent, from 1 on; 0 leaves it to the others.
    """
    if channel > 0:
        return (np.arange(len(places)) == channel - 1).astype(float)
    return np.clip(amount * len(places) - places, 0.0, 1.0)
