"""One instance of a pedalboard effect as an exact stream: as many samples out as in.

Peculiarities of pedalboard when streaming (`reset=False`), and how they are handled:

- It guesses the channel axis from the first array after a start or reset, and restarts an effect when a block is longer
  than any before. An instance is therefore first fed silence, in one block of the maximum length.
- An effect may return fewer samples than it takes at first. Plug-ins then lag by the latency they report; of the
  built-ins only `Resample` does this, by a count that varies from block to block, so its output is buffered.
"""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np

from export.errors import GlitchError
from realtime.effects.built_in import FIXED, MIN_RESAMPLE_HZ, Effect, Knob

BLOCK = 2048  # maximum number of samples passed to an effect at once
MAX_PRIMING_BLOCKS = 64  # within these, 2.7 s at 48 kHz, an effect must return full blocks


class EffectInstance:
    """A running effect.

    Parameters
    ----------
    effect
        Its description.
    sample_rate
        Of the stream, Hz.
    channels
        Number of channels. A mono effect is instantiated per channel; a stereo effect gets a single channel twice.

    Attributes
    ----------
    lag : int
        Delay of the output after the input, in samples.

    Raises
    ------
    GlitchError
        pedalboard isn't installed, the effect cannot be loaded, or it doesn't take these channels.
    """

    def __init__(self, effect: Effect, sample_rate: float, channels: int) -> None:
        self._sample_rate = sample_rate
        self._channels = channels
        self._is_plugin = bool(effect.source)
        stored = not self._is_plugin and effect.name == "Resample"
        self._store_samples = math.ceil(sample_rate / MIN_RESAMPLE_HZ) + 2 if stored else 0
        self._store = np.zeros((channels, 0), np.float32)
        self._load(effect)
        latency = int(getattr(self._plugins[0], "reported_latency_samples", 0)) if self._is_plugin else 0
        self.lag = latency + self._store_samples

    def set(self, knob: Knob, value: float) -> None:
        """Set a knob at once."""
        if self._is_plugin:
            for parameters in self._parameters:
                parameters[knob.attribute].raw_value = value
            return
        value = min(value, _highest(knob.attribute, self._sample_rate))
        for plugin in self._plugins:
            kind = type(getattr(plugin, knob.attribute))  # a float, or one of pedalboard's enumerations
            setattr(plugin, knob.attribute, kind(int(value) if knob.kind == "int" else value))

    def process(self, audio: np.ndarray) -> np.ndarray:
        """Process the next samples.

        Parameters
        ----------
        audio : np.ndarray [shape=(channels, n)]
            n is at most `BLOCK`.

        Returns
        -------
        audio : np.ndarray [shape=(channels, n)]

        Raises
        ------
        ValueError
            The effect returned another number of samples.
        Exception
            Whatever the effect raises.
        """
        made = self._run(audio)
        if self._store_samples:
            self._store = np.concatenate((self._store, made), axis=1)
            made, self._store = np.split(self._store, [audio.shape[1]], axis=1)
        if made.shape != audio.shape or self._store.shape[1] > self._store_samples:
            raise ValueError(f"it returned {made.shape[1]} samples for {audio.shape[1]}")
        return made

    def reset(self) -> None:
        """Clear the effect."""
        for plugin in self._plugins:
            plugin.reset()
        self._prime()

    def _load(self, effect: Effect) -> None:
        for arrangement in ("together", "doubled" if self._channels == 1 else "apart"):
            self._arrangement = arrangement
            count = self._channels if self._arrangement == "apart" else 1
            self._plugins: list[Any] = [load(effect) for _ in range(count)]
            self._parameters = [plugin.parameters for plugin in self._plugins] if self._is_plugin else []
            try:
                self._prime()
                return
            except ValueError as error:  # pedalboard raises it for unsupported channels
                reason = str(error)
        raise GlitchError(f"The effect {effect.name} doesn't take {self._channels} channels: {reason}")

    def _prime(self) -> None:
        silence = np.zeros((self._channels, BLOCK), np.float32)
        self._store = np.zeros((self._channels, self._store_samples), np.float32)
        for _ in range(MAX_PRIMING_BLOCKS):
            if self._store_samples:
                self.process(silence)
                return
            if self._run(silence).shape[1] == BLOCK:
                return
        raise GlitchError(f"The effect returns no samples for {MAX_PRIMING_BLOCKS * BLOCK} samples of input.")

    def _run(self, audio: np.ndarray) -> np.ndarray:
        if self._arrangement == "apart":
            parts = [self._call(p, audio[k : k + 1]) for k, p in enumerate(self._plugins)]
            return np.concatenate(parts, axis=0)
        if self._arrangement == "doubled":
            return self._call(self._plugins[0], np.repeat(audio, 2, axis=0)).mean(axis=0, keepdims=True)
        return self._call(self._plugins[0], audio)

    def _call(self, plugin: Any, audio: np.ndarray) -> np.ndarray:
        made: np.ndarray = plugin.process(audio, self._sample_rate, buffer_size=BLOCK, reset=False)
        return made if made.ndim == 2 and made.size else np.zeros((audio.shape[0], 0), np.float32)


def load(effect: Effect) -> Any:
    """Instantiate an effect in pedalboard.

    Returns
    -------
    pedalboard.Plugin
        With the settings in `FIXED`, if it is a built-in.

    Raises
    ------
    GlitchError
        pedalboard isn't installed, or the plug-in cannot be loaded.
    """
    pedalboard = import_pedalboard()
    if effect.source:
        path, _, inside = effect.source.partition("::")
        try:
            return pedalboard.load_plugin(path, plugin_name=inside or None)
        except Exception as error:
            raise GlitchError(f"The plug-in {effect.name} cannot be loaded from {path}: {error}") from None
    plugin = getattr(pedalboard, effect.name)()
    for attribute, value in FIXED.get(effect.name, {}).items():
        setattr(plugin, attribute, getattr(type(getattr(plugin, attribute)), value))
    return plugin


def import_pedalboard() -> Any:
    """Import pedalboard; raises `GlitchError` with the command that installs it."""
    try:
        return importlib.import_module("pedalboard")
    except ImportError:
        raise GlitchError('Effects need pedalboard; run: pip install -e ".[vst]" in the clone.') from None


def _highest(attribute: str, sample_rate: float) -> float:
    """Return the upper limit of a frequency at this sample rate; beyond it, filters become unstable."""
    if "frequency" in attribute or "cutoff" in attribute:
        return 0.49 * sample_rate
    return sample_rate if attribute == "target_sample_rate" else math.inf
