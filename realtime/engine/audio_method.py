"""Streaming of a method that outputs audio: a latent frame or a hop of audio in, a hop of audio out.

Decks, `--check`, evaluation and tests all use it, so they get the same samples.

See Also
--------
realtime.engine.decoder, realtime.engine.transformer : The two methods.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import numpy as np

from export.format.card import Method, Spectrum
from export.format.io import load
from export.format.mel_scale import bands_of
from realtime.dsp.mel_inversion import MelInverter
from realtime.dsp.rtpghi import PhaseInverter, PhaseSnapshot
from realtime.engine.loaded_method import LoadedMethod

WARM_BEND = 1e-3  # added to bends to run the graph that has them


@dataclass(frozen=True)
class AudioMethodState:
    """Copy of a method's caches and phases, for `AudioMethod.restore`."""

    caches: tuple[np.ndarray, ...]
    phase: PhaseSnapshot | None


class AudioMethod:
    """Runs a method one frame a step, with phase inversion if it outputs magnitudes or mel bands.

    Parameters
    ----------
    path
        The model file.
    name
        `decode` or `transform`.
    seed
        Of phases that the magnitudes leave open.

    Raises
    ------
    ContractError
        The file is no model, lacks the method, or its graph gives other shapes than the card says.

    See Also
    --------
    realtime.engine.loaded_method.LoadedMethod : Explains why a step is always one frame.
    """

    def __init__(self, path: str | os.PathLike[str], name: str, *, seed: int = 0) -> None:
        model, self.card = load(path)
        self.graph = LoadedMethod(model, self.card, name, path)
        self._inverter = inverter_of(self.method.spectrum, self.card.sample_rate, seed)
        self._log = self.method.spectrum is not None and self.method.spectrum.scale == "log"

    @property
    def method(self) -> Method:
        """The method's entry in the card."""
        return self.graph.method

    @property
    def hop(self) -> int:
        """Samples per frame, at the model's rate."""
        return self.method.hop

    @property
    def channels(self) -> int:
        """Channels of the audio."""
        return self.method.channels

    @property
    def delay(self) -> int:
        """Samples at the model's rate by which the output lags the input: graph and phase inversion."""
        return self.method.delay + (self._inverter.delay if self._inverter else 0)

    @property
    def idle(self) -> np.ndarray:
        """The input at rest [shape=`graph.input.shape[1:]`]."""
        raise NotImplementedError

    def step(self, given: np.ndarray, controls: np.ndarray) -> np.ndarray:
        """Run one frame.

        Parameters
        ----------
        given : np.ndarray [shape=(latents,) or (channels, hop)]
            A latent in the model's own order and scale, or a hop of audio.
        controls : np.ndarray [shape=(values,)]
            The values of the controls in the order of the card, as many of each as its size.

        Returns
        -------
        audio : np.ndarray [shape=(channels, hop)], float32
            A new array. It is not finite if the model's output isn't; `reset` returns the model to rest.
        """
        self.graph.input[0] = given.reshape(self.graph.input.shape[1:])
        self.graph.values[:] = controls
        self.graph.run()
        output = self.graph.output[0]
        if self._inverter is None:
            return output.copy()
        if not np.isfinite(output).all():
            return np.full((1, self.hop), np.nan, np.float32)
        return self._inverter.push(np.exp(output) if self._log else output)[None]

    def render(self, given: np.ndarray, controls: np.ndarray | None = None) -> np.ndarray:
        """Run many frames.

        Parameters
        ----------
        given : np.ndarray [shape=(latents, frames) or (channels, frames * hop)]
            Latents, or audio.
        controls : np.ndarray [shape=(values, frames)]
            Values of the controls; None takes their defaults.

        Returns
        -------
        audio : np.ndarray [shape=(channels, frames * hop)], float32
        """
        wide = self.graph.input.shape[2]
        frames = given.shape[1] // wide
        if controls is None:
            controls = np.repeat(self.graph.rest[:, None], frames, axis=1)
        parts = [self.step(given[:, n * wide : (n + 1) * wide], controls[:, n]) for n in range(frames)]
        return np.concatenate(parts, axis=1) if parts else np.zeros((self.channels, 0), np.float32)

    def warm(self, frames: int = 32) -> float:
        """Run some frames and restore the state, so that no later frame is slow for being the first.

        Bent layers are run too.

        Parameters
        ----------
        frames
            To run, and to measure.

        Returns
        -------
        cost : float
            Time of a frame, in s.
        """
        before = self.snapshot()
        given, controls = self.idle, self.graph.rest
        turned = controls.copy()
        turned[self.graph.bent] += WARM_BEND
        for _ in range(frames if self.method.bends else 0):
            self.step(given, turned)
        began = time.perf_counter()
        for n in range(2 * frames):
            if n == frames:
                began = time.perf_counter()
            self.step(given, controls)
        cost = (time.perf_counter() - began) / frames
        self.restore(before)
        return cost

    def reset(self) -> None:
        """Return caches and phases to the rest state."""
        self.graph.reset()
        if self._inverter is not None:
            self._inverter.reset()

    def snapshot(self) -> AudioMethodState:
        """Copy the state."""
        return AudioMethodState(self.graph.snapshot(), self._inverter.snapshot() if self._inverter else None)

    def restore(self, state: AudioMethodState) -> None:
        """Continue from a snapshot."""
        self.graph.restore(state.caches)
        if self._inverter is not None and state.phase is not None:
            self._inverter.restore(state.phase)


def inverter_of(spectrum: Spectrum | None, sample_rate: int, seed: int) -> PhaseInverter | None:
    """Make the phase inverter of a method.

    Parameters
    ----------
    spectrum
        The description of its magnitudes; None for a method that outputs audio.
    sample_rate
        Of the model, in Hz.
    seed
        Of phases that the magnitudes leave open.

    Returns
    -------
    inverter : PhaseInverter or None
        None for a method that outputs audio.
    """
    if spectrum is None:
        return None
    if spectrum.mel is None:
        return PhaseInverter(spectrum.n_fft, spectrum.hop, window=spectrum.window, seed=seed)
    weights = bands_of(spectrum, sample_rate)
    return MelInverter(weights, spectrum.n_fft, spectrum.hop, window=spectrum.window, seed=seed)
