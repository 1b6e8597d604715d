"""The dry path: live input at its level, delayed to match the model's latency, and the dry/wet mix."""

from __future__ import annotations

import numpy as np

from realtime.dsp.framer import match_channels, write_circular

SILENT_DB = -80.0
MIN_MEMORY = 1 << 14  # samples


class DryPath:
    """Delays the live input and mixes it with the model's output at equal power.

    Parameters
    ----------
    inputs, channels
        Channels of the live input and of the output.
    reach
        Longest delay in samples.
    """

    def __init__(self, inputs: int, channels: int, reach: int) -> None:
        self._channels = channels
        self._memory = np.zeros((inputs, max(MIN_MEMORY, 1 << reach.bit_length())), np.float32)
        self._stored = self._mixed = 0
        self._gain: float | None = None
        self._mix: float | None = None

    def push(self, audio: np.ndarray, gain_db: float) -> np.ndarray:
        """Store live input and return it at its level.

        Parameters
        ----------
        audio : np.ndarray [shape=(inputs, samples)]
        gain_db
            Level in dB; -80 is silence. Changes are ramped over these samples.

        Returns
        -------
        audio : np.ndarray [shape=(inputs, samples)]
            float32.
        """
        gain = 10 ** (gain_db / 20) if gain_db > SILENT_DB else 0.0
        before, self._gain = self._gain, gain
        if before not in (None, gain):
            audio = audio * _ramp(before, gain, audio.shape[1])
        elif gain != 1.0:
            audio = audio * np.float64(gain)
        audio = np.asarray(audio, np.float32)
        write_circular(self._memory, self._stored, audio)
        self._stored += audio.shape[1]
        return audio

    def mix(self, wet: np.ndarray, mix: float, delay: int) -> np.ndarray:
        """Mix the dry input with the model's output at equal power.

        Parameters
        ----------
        wet : np.ndarray [shape=(channels, samples)]
            The model's output.
        mix
            0 is dry, 1 is wet; changes are ramped over these samples.
        delay
            Samples by which the dry path is delayed.

        Returns
        -------
        audio : np.ndarray [shape=(channels, samples)]
        """
        count = wet.shape[1]
        before = mix if self._mix is None else self._mix
        self._mix = mix
        first = self._mixed - delay
        self._mixed += count
        if before == mix == 1.0:
            return wet
        index = first + np.arange(count)
        dry = match_channels(self._memory[:, index % self._memory.shape[1]] * (index >= 0), self._channels)
        share = 0.5 * np.pi * _ramp(before, mix, count)
        return np.asarray(wet * np.sin(share) + dry * np.cos(share))


def _ramp(begin: float, end: float, count: int) -> np.ndarray:
    return begin + (end - begin) * (np.arange(1, count + 1) / max(count, 1))
