"""Live audio, in any portions and at the stream's rate, becomes hops at the model's."""

from __future__ import annotations

import numpy as np

from realtime.dsp.resampler import Resampler

ROUNDING = 2  # samples by which what is given may fall short, and what comes of it
SPARE = 8  # samples that may be waited for, so that the whole delay is whole at both rates


class Hops:
    """Resamples audio, brings its channels to the model's, and cuts it.

    Parameters
    ----------
    sample_rate, channels
        Of the audio.
    model_rate, inside
        Rate and channels of the model.
    hop
        In samples at the model's rate.
    behind
        Samples, at the model's rate, by which the answer lags a hop: the delay is made to end on a whole sample of the
        audio, as nearly as it may be.

    Attributes
    ----------
    delay : int
        Samples, at the model's rate, by which a hop lags what it was made from.
    """

    def __init__(
        self, sample_rate: float, channels: int, *, model_rate: float, inside: int, hop: int, behind: int = 0
    ) -> None:
        self.hop = hop
        self._channels, self._inside = channels, inside
        self._resampler = None
        self.delay = 0
        ratio = sample_rate / model_rate
        if ratio != 1.0:
            self._resampler = Resampler(sample_rate, model_rate, inside)
            least = self._resampler.delay + ROUNDING  # what comes late from it
            fits = [abs((k + behind) * ratio - round((k + behind) * ratio)) for k in range(least, least + SPARE)]
            self.delay = least + int(np.argmin(np.round(fits, 6)))
        self._held = np.zeros((inside, self.delay), np.float32)

    def push(self, audio: np.ndarray) -> np.ndarray:
        """Take audio [shape=(channels, samples)] and give the next hop [shape=(inside, hop)].

        The caller gives as much audio as a hop stands for, to the sample in the long run.
        """
        audio = mixed(audio, self._inside)
        if self._resampler is not None:
            audio = self._resampler.push(audio)
        self._held = np.concatenate([self._held, audio], axis=1)
        hop, self._held = self._held[:, : self.hop], self._held[:, self.hop :]
        return hop


def mixed(audio: np.ndarray, channels: int) -> np.ndarray:
    """Bring audio to other channels: the mean for mono, else as many as there are, round and round."""
    if channels == len(audio):
        return audio
    if channels == 1:
        return audio.mean(axis=0, keepdims=True)
    return audio[np.arange(channels) % len(audio)]


def go_round(memory: np.ndarray, at: int, audio: np.ndarray) -> None:
    """Write audio from sample `at` of a stream on into a memory that goes round [shape=(channels, size)]."""
    size, count = memory.shape[1], audio.shape[1]
    if count > size:
        audio, at, count = audio[:, -size:], at + count - size, size
    first = at % size
    room = min(size - first, count)
    memory[:, first : first + room] = audio[:, :room]
    memory[:, : count - room] = audio[:, room:]
