"""The live input as an engine has it: level, memory, and the dry way, as late as the model's answer is."""

from __future__ import annotations

import numpy as np

from realtime.dsp.framer import go_round, mixed

SILENT_DB = -80.0
LEAST_MEMORY = 1 << 14  # samples


class DryWay:
    """Keeps the live input until the model has answered, and mixes both.

    Parameters
    ----------
    inputs, channels
        Of the live input, and of the sound.
    reach
        Samples that it must remember at least.
    """

    def __init__(self, inputs: int, channels: int, reach: int) -> None:
        self._channels = channels
        self._memory = np.zeros((inputs, max(LEAST_MEMORY, 1 << reach.bit_length())), np.float32)
        self._heard = self._given = 0
        self._gain: float | None = None
        self._mix: float | None = None

    def push(self, audio: np.ndarray, gain_db: float) -> np.ndarray:
        """Take audio [shape=(inputs, samples)], and give it at its level."""
        gain = 10 ** (gain_db / 20) if gain_db > SILENT_DB else 0.0
        before, self._gain = self._gain, gain
        if before not in (None, gain):
            audio = audio * _ramp(before, gain, audio.shape[1])
        elif gain != 1.0:
            audio = audio * np.float64(gain)
        audio = np.asarray(audio, np.float32)
        go_round(self._memory, self._heard, audio)
        self._heard += audio.shape[1]
        return audio

    def mix(self, wet: np.ndarray, mix: float, behind: int) -> np.ndarray:
        """Add the dry input to what the model gives [shape=(channels, samples)], at equal power."""
        count = wet.shape[1]
        before = mix if self._mix is None else self._mix
        self._mix = mix
        first = self._given - behind
        self._given += count
        if before == mix == 1.0:
            return wet
        index = first + np.arange(count)
        dry = mixed(self._memory[:, index % self._memory.shape[1]] * (index >= 0), self._channels)
        share = 0.5 * np.pi * _ramp(before, mix, count)
        return np.asarray(wet * np.sin(share) + dry * np.cos(share))


def _ramp(begin: float, end: float, count: int) -> np.ndarray:
    return begin + (end - begin) * (np.arange(1, count + 1) / max(count, 1))
