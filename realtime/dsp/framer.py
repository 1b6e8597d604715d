"""Framing of live audio: blocks of any size at the stream's rate become hops at the model's rate."""

from __future__ import annotations

import numpy as np

from realtime.dsp.resampler import Resampler

ROUNDING = 2  # samples by which input and output counts may differ
SPARE = 8  # extra samples of delay allowed to make the delay whole at both rates


class Framer:
    """Resamples live audio, matches its channels to the model's, and cuts it into hops.

    Parameters
    ----------
    sample_rate, channels
        Of the live audio, Hz and count.
    model_rate, model_channels
        Of the model, Hz and count.
    hop
        Samples at the model's rate.
    model_delay
        Delay of the model in samples at its rate. The delay of framing is chosen so that the sum of both is as close as
        possible to whole samples at the stream's rate.

    Attributes
    ----------
    delay : int
        Samples at the model's rate by which a hop lags its input.
    """

    def __init__(
        self,
        sample_rate: float,
        channels: int,
        *,
        model_rate: float,
        model_channels: int,
        hop: int,
        model_delay: int = 0,
    ) -> None:
        self.hop = hop
        self._channels, self._model_channels = channels, model_channels
        self._resampler = None
        self.delay = 0
        ratio = sample_rate / model_rate
        if ratio != 1.0:
            self._resampler = Resampler(sample_rate, model_rate, model_channels)
            least = self._resampler.delay + ROUNDING
            totals = (np.arange(least, least + SPARE) + model_delay) * ratio
            self.delay = least + int(np.argmin(np.round(np.abs(totals - np.round(totals)), 6)))
        self._held = np.zeros((model_channels, self.delay), np.float32)

    def push(self, audio: np.ndarray) -> np.ndarray:
        """Take the next audio and return the next hop.

        Parameters
        ----------
        audio : np.ndarray [shape=(channels, samples)]
            As many samples as a hop lasts at the stream's rate, exact over the long run.

        Returns
        -------
        hop : np.ndarray [shape=(model_channels, hop)]
        """
        audio = match_channels(audio, self._model_channels)
        if self._resampler is not None:
            audio = self._resampler.push(audio)
        self._held = np.concatenate([self._held, audio], axis=1)
        hop, self._held = self._held[:, : self.hop], self._held[:, self.hop :]
        return hop


def match_channels(audio: np.ndarray, channels: int) -> np.ndarray:
    """Return audio [shape=(channels, samples)] with another number of channels: their mean for mono, else repeated."""
    if channels == len(audio):
        return audio
    if channels == 1:
        return audio.mean(axis=0, keepdims=True)
    return audio[np.arange(channels) % len(audio)]


def write_circular(memory: np.ndarray, at: int, audio: np.ndarray) -> None:
    """Write samples `at` and following of a stream into a circular buffer [shape=(channels, size)]."""
    size, count = memory.shape[1], audio.shape[1]
    if count > size:
        audio, at, count = audio[:, -size:], at + count - size, size
    first = at % size
    room = min(size - first, count)
    memory[:, first : first + room] = audio[:, :room]
    memory[:, : count - room] = audio[:, room:]
