"""A model's `encode`, made to stream: live audio in, a latent frame out for each hop of it.

The input comes at the stream's rate and in any portions; it is resampled to the model's, and cut into hops.
"""

from __future__ import annotations

import os

import numpy as np

from export.contract import load
from realtime.graph import Graph
from realtime.resampler import Resampler

ROUNDING = 2  # samples by which what is given may fall short, and what comes of it


class Encoder:
    """Runs `encode` a hop a step.

    Parameters
    ----------
    path
        The model file.
    sample_rate, channels
        Of the live input.

    Attributes
    ----------
    delay : int
        Samples, at the input's rate, by which a latent frame lags what it was made from.
    """

    def __init__(self, path: str | os.PathLike[str], sample_rate: float, channels: int) -> None:
        model, self.card = load(path)
        self.graph = Graph(model, self.card, "encode", path)
        self.hop = self.graph.method.hop
        self._ratio = sample_rate / self.card.sample_rate
        self._channels = channels
        self._resampler = None
        if self._ratio != 1.0:
            self._resampler = Resampler(sample_rate, self.card.sample_rate, self._inside)
        inserted = self._resampler.delay + ROUNDING if self._resampler else 0  # what comes late from it
        self._held = np.zeros((self._inside, inserted), np.float32)
        self.delay = round((inserted + self.graph.method.delay) * self._ratio)

    @property
    def _inside(self) -> int:
        return self.graph.method.channels

    def push(self, audio: np.ndarray) -> np.ndarray:
        """Take audio [shape=(channels, samples)] and give the next latent frame [shape=(latents,)].

        The caller gives as much audio as a frame stands for, to the sample in the long run.
        """
        audio = self._mixed(audio)
        if self._resampler is not None:
            audio = self._resampler.push(audio)
        self._held = np.concatenate([self._held, audio], axis=1)
        self.graph.input[0] = self._held[:, : self.hop]
        self._held = self._held[:, self.hop :]
        self.graph.run()
        latent = self.graph.output[0, :, 0].copy()
        if not np.isfinite(latent).all():
            self.graph.reset()
            return np.array(self.card.latent.mean)
        return latent

    def _mixed(self, audio: np.ndarray) -> np.ndarray:
        """Bring the input's channels to the model's: the mean for mono, else as many as there are, round and round."""
        if self._inside == 1:
            return audio.mean(axis=0, keepdims=True)
        return audio[np.arange(self._inside) % len(audio)]
