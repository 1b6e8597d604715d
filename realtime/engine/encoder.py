"""A model's `encode`, made to stream: live audio in, a latent frame out for each hop of it."""

from __future__ import annotations

import os

import numpy as np

from export.format.io import load
from realtime.dsp.framer import Framer
from realtime.engine.graph import Graph


class Encoder:
    """Runs `encode` a hop a step, on audio in any portions and at the stream's rate.

    Parameters
    ----------
    path
        The model file.
    sample_rate, channels
        Of the live input.
    behind
        As `Framer` takes it.

    Attributes
    ----------
    lag : int
        Samples, at the model's rate, by which a latent frame lags what it was made from.
    delay : int
        The same at the input's rate.
    """

    def __init__(self, path: str | os.PathLike[str], sample_rate: float, channels: int, *, behind: int = 0) -> None:
        model, self.card = load(path)
        self.graph = Graph(model, self.card, "encode", path)
        method = self.graph.method
        self.hop = method.hop
        self._hops = Framer(
            sample_rate,
            channels,
            model_rate=self.card.sample_rate,
            model_channels=method.channels,
            hop=method.hop,
            model_delay=method.delay + behind,
        )
        self.lag = self._hops.delay + method.delay
        self.delay = round(self.lag * sample_rate / self.card.sample_rate)

    def push(self, audio: np.ndarray) -> np.ndarray:
        """Take audio [shape=(channels, samples)] and give the next latent frame [shape=(latents,)].

        The caller gives as much audio as a frame stands for, to the sample in the long run.
        """
        self.graph.input[0] = self._hops.push(audio)
        self.graph.run()
        latent = self.graph.output[0, :, 0].copy()
        if not np.isfinite(latent).all():
            self.graph.reset()
            return np.array(self.card.latent.mean)
        return latent
