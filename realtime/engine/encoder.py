"""Streaming of `encode`: live audio in, a latent frame out for each hop."""

from __future__ import annotations

import os

import numpy as np

from export.format.io import load
from realtime.dsp.framer import Framer
from realtime.engine.loaded_method import LoadedMethod


class Encoder:
    """Runs `encode` one hop a step, on audio of any length and at the stream's rate.

    Parameters
    ----------
    path
        The model file.
    sample_rate
        Of the live input, in Hz.
    channels
        Of the live input.
    model_delay
        Samples at the model's rate by which the decoder lags; see `Framer`.

    Attributes
    ----------
    lag : int
        Samples at the model's rate by which a latent frame lags its audio.
    delay : int
        The same at the input's rate.
    """

    def __init__(
        self, path: str | os.PathLike[str], sample_rate: float, channels: int, *, model_delay: int = 0
    ) -> None:
        model, self.card = load(path)
        self.graph = LoadedMethod(model, self.card, "encode", path)
        method = self.graph.method
        self.hop = method.hop
        self._framer = Framer(
            sample_rate,
            channels,
            model_rate=self.card.sample_rate,
            model_channels=method.channels,
            hop=method.hop,
            model_delay=method.delay + model_delay,
        )
        self.lag = self._framer.delay + method.delay
        self.delay = round(self.lag * sample_rate / self.card.sample_rate)

    def push(self, audio: np.ndarray) -> np.ndarray:
        """Encode the next frame.

        Parameters
        ----------
        audio : np.ndarray [shape=(channels, samples)], float32
            At the input's rate; in the long run exactly as much as the frames stand for.

        Returns
        -------
        latent : np.ndarray [shape=(latents,)], float32
            The mean latent if the model's output is not finite.
        """
        self.graph.input[0] = self._framer.push(audio)
        self.graph.run()
        latent = self.graph.output[0, :, 0].copy()
        if not np.isfinite(latent).all():
            self.graph.reset()
            return np.array(self.card.latent.mean)
        return latent
