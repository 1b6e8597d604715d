"""Resampling by a rational factor that streams.

See `export.streaming.layer_base` for the properties that all layers share.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from export.streaming.layer_base import Layer, StreamingError, window_delay

ZERO_CROSSINGS = 16
"""Zero crossings of the resampling filter's sinc on each side."""

KAISER_BETA = 9.0
"""Shape of the resampling filter's window: aliases are 90 dB down."""


class Resample(Layer):
    """Resampling by `up / down`, with a windowed sinc for each phase.

    Parameters
    ----------
    channels : int
        Channels, resampled independently.
    up, down : int
        Output samples, for how many input samples; reduced to lowest terms.
    crossings : int
        Zero crossings of the sinc on each side. With more, the filter is steeper and the delay longer.

    References
    ----------
    J. O. Smith, "Digital Audio Resampling Home Page", CCRMA, Stanford University, 2002.
    """

    past: Tensor
    taps: Tensor

    def __init__(self, channels: int, up: int, down: int = 1, *, crossings: int = ZERO_CROSSINGS) -> None:
        if min(channels, up, down, crossings) < 1:
            raise StreamingError("Resample takes channels, up, down and crossings of at least 1.")
        up, down = up // math.gcd(up, down), down // math.gcd(up, down)
        taps, before = _sinc_phases(up, down, crossings)
        steps, past = window_delay(taps.shape[1], before, down)
        super().__init__(takes=down, gives=up, delay=steps * up, inputs=channels, outputs=channels)
        self.before, self.after = before, max(taps.shape[1] - before - down, 0)
        self.register_buffer("taps", torch.from_numpy(taps.astype(np.float32))[:, None], persistent=False)
        if past:
            self.add_cache("past", 1, channels, past)

    def offline(self, x: Tensor) -> Tensor:
        """Resample a signal with silence around it, without delay."""
        return self._filter(F.pad(x, (self.before, self.after)))

    def stream(self, x: Tensor) -> Tensor:
        """Resample the cache and the next chunk."""
        if self._kept:
            past = self.past.shape[2]
            x = torch.cat([self.past, x], dim=2)
            self.update_cache("past", x[:, :, x.shape[2] - past :])
        return self._filter(x)

    def _filter(self, x: Tensor) -> Tensor:
        batch, channels, samples = x.shape
        single = x.reshape(batch * channels, 1, samples)
        phases = F.conv1d(single, self.taps, stride=self.takes)  # [batch * channels, up, samples / down]
        return phases.transpose(1, 2).reshape(batch, channels, -1)


def _sinc_phases(up: int, down: int, crossings: int) -> tuple[np.ndarray, int]:
    """Sample a windowed sinc at the positions of the outputs of one step.

    Returns
    -------
    taps : np.ndarray [shape=(up, reach)]
        Weights of the inputs for each output; they sum to 1.
    before : int
        Inputs before the first one of the step.
    """
    narrow = min(1.0, up / down)  # lower one of the two rates, relative to the input's
    half = crossings / narrow
    places = np.arange(up) * down / up  # of the outputs, in samples of the input
    before, last = math.floor(half), math.floor(places[-1] + half)
    away = (np.arange(-before, last + 1) - places[:, None]) * narrow  # [up, reach], in crossings
    window = np.i0(KAISER_BETA * np.sqrt(np.maximum(1 - (away / crossings) ** 2, 0))) * (np.abs(away) < crossings)
    taps = np.sinc(away) * window
    return taps / taps.sum(axis=1, keepdims=True), before
