"""A model's `decode`, made to stream: a latent frame in, a hop of audio out.

Used by the deck that plays, by `--check`, by evaluation and by tests, so that all of them hear the same samples.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime as ort

from export.contract import FRAMES, Card, ContractError, Method, load, split
from realtime.phase import PhaseInverter


@dataclass(frozen=True)
class DecoderState:
    """All that a decoder remembers, copied: bring it back with `Decoder.restore`."""

    caches: tuple[np.ndarray, ...]
    phase: Any


class Decoder:
    """Runs `decode` one frame a step, with caches kept in place and magnitudes inverted on one running phase.

    A step is always one frame, however many are asked for: any cut of the same latents gives the same samples, bit for
    bit, also where a matrix product over many frames would round otherwise than one over few.

    Parameters
    ----------
    path
        The model file.
    seed
        Of the phase where magnitudes say nothing of it.

    Raises
    ------
    ContractError
        The file is no model, cannot decode, or the graph gives other shapes than its card says.
    """

    def __init__(self, path: str | os.PathLike[str], *, seed: int = 0) -> None:
        graph, self.card = load(path)
        self.method: Method = self.card.method("decode")
        self.session = session(split(graph, "decode").SerializeToString())
        self._latent = np.zeros((1, self.card.latent.size, 1), np.float32)
        self._controls = [np.full((1, c.size, 1), c.default, np.float32) for c in self.method.controls]
        self._rows = _output_rows(self.card)
        self._output = np.zeros((1, self._rows, self.samples), np.float32)
        self._caches = [[np.array(rest, np.float32) for rest in self.method.rest] for _ in range(2)]
        self._now = 0
        self._check_output(path)
        self._bindings = [self._bind(self._caches[0], self._caches[1]), self._bind(self._caches[1], self._caches[0])]
        spectrum = self.method.spectrum
        self._inverter = None
        if spectrum is not None:
            self._inverter = PhaseInverter(spectrum.n_fft, spectrum.hop, window=spectrum.window, seed=seed)
            self._log = spectrum.scale == "log"

    @property
    def hop(self) -> int:
        """Samples a frame makes, at the model's rate."""
        return self.method.hop

    @property
    def channels(self) -> int:
        """Channels of the audio."""
        return self.method.channels

    @property
    def samples(self) -> int:
        """Size of the last axis of what the graph gives for one frame."""
        return self.method.hop if self.method.output == "audio" else 1

    @property
    def delay(self) -> int:
        """Samples, at the model's rate, by which the sound lags its latent: the graph's delay and the inversion's."""
        return self.method.delay + (self._inverter.delay if self._inverter else 0)

    def step(self, latent: np.ndarray, controls: np.ndarray) -> np.ndarray:
        """Decode one frame.

        Parameters
        ----------
        latent : np.ndarray [shape=(latents,)]
            In the model's own order and scale.
        controls : np.ndarray [shape=(controls,)]
            One value for each of the model's controls, in the order of its card.

        Returns
        -------
        audio : np.ndarray [shape=(channels, hop)], float32
            A buffer of its own; non-finite where the model gave no numbers (`reset` brings it to rest).
        """
        self._latent[0, :, 0] = latent
        for k, buffer in enumerate(self._controls):
            buffer[:] = controls[k]
        self.run_graph()
        output = self._output[0]
        if self._inverter is None:
            return output.copy()
        if not np.isfinite(output).all():
            return np.full((1, self.hop), np.nan, np.float32)
        return self._inverter.push(np.exp(output) if self._log else output)[None]

    def run_graph(self) -> None:
        """Run the graph alone on what its buffers hold, and take its caches on."""
        self.session.run_with_iobinding(self._bindings[self._now])
        self._now ^= 1

    def render(self, latents: np.ndarray, controls: np.ndarray | None = None) -> np.ndarray:
        """Decode many frames: `latents` [shape=(latents, frames)], `controls` [shape=(controls, frames)] or defaults.

        Returns
        -------
        audio : np.ndarray [shape=(channels, frames * hop)], float32
        """
        frames = latents.shape[1]
        if controls is None:
            defaults = np.array([c.default for c in self.method.controls], np.float32)
            controls = np.repeat(defaults[:, None], frames, axis=1)
        parts = [self.step(latents[:, n], controls[:, n]) for n in range(frames)]
        return np.concatenate(parts, axis=1) if parts else np.zeros((self.channels, 0), np.float32)

    def warm(self, frames: int = 32) -> float:
        """Decode some frames and forget them, so that nothing is slow for being first; give the cost of one in s."""
        before = self.snapshot()
        latent = np.array(self.card.latent.mean)
        controls = np.array([c.default for c in self.method.controls])
        began = time.perf_counter()
        for n in range(2 * frames):
            if n == frames:
                began = time.perf_counter()
            self.step(latent, controls)
        cost = (time.perf_counter() - began) / frames
        self.restore(before)
        return cost

    def reset(self) -> None:
        """Bring caches and phase to the rest state."""
        for cache, rest in zip(self._caches[self._now], self.method.rest, strict=True):
            cache[:] = rest
        if self._inverter is not None:
            self._inverter.reset()

    def snapshot(self) -> DecoderState:
        """Copy all that is remembered between frames."""
        phase = self._inverter.snapshot() if self._inverter else None
        return DecoderState(tuple(cache.copy() for cache in self._caches[self._now]), phase)

    def restore(self, state: DecoderState) -> None:
        """Go on from where `snapshot` was taken."""
        for cache, kept in zip(self._caches[self._now], state.caches, strict=True):
            cache[:] = kept
        if self._inverter is not None:
            self._inverter.restore(state.phase)

    def _bind(self, caches: list[np.ndarray], following: list[np.ndarray]) -> ort.IOBinding:
        """Tie the graph to buffers that stay, so that a step allocates nothing."""
        binding = self.session.io_binding()
        inputs = {"decode.input": self._latent}
        inputs |= {f"decode.control.{c.name}": b for c, b in zip(self.method.controls, self._controls, strict=True)}
        inputs |= {f"decode.state.{k}": cache for k, cache in enumerate(caches)}
        outputs = {"decode.output": self._output}
        outputs |= {f"decode.state.{k}.next": cache for k, cache in enumerate(following)}
        for name, array in inputs.items():
            binding.bind_input(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        for name, array in outputs.items():
            binding.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        return binding

    def _check_output(self, path: str | os.PathLike[str]) -> None:
        """Run once in the open, to see that the graph gives what its card says."""
        feeds = {"decode.input": self._latent}
        feeds |= {f"decode.control.{c.name}": b for c, b in zip(self.method.controls, self._controls, strict=True)}
        feeds |= {f"decode.state.{k}": cache for k, cache in enumerate(self._caches[0])}
        try:
            output = self.session.run(["decode.output"], feeds)[0]
        except Exception as error:  # onnxruntime raises classes of its own that it doesn't publish
            raise ContractError(f"{path}: the graph does not run ({_first_line(error)}); export it again.") from None
        if output.shape != self._output.shape:
            raise ContractError(
                f"{path}: a frame gives {list(output.shape)}, and the card's hop, channels and spectrum say "
                f"{list(self._output.shape)}; export it again."
            )


def session(model: bytes) -> ort.InferenceSession:
    """Load a graph for one thread and one frame a step.

    Raises
    ------
    ContractError
        onnxruntime cannot load it.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_free_dimension_override_by_name(FRAMES, 1)
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as above
        raise ContractError(f"onnxruntime cannot load the graph ({_first_line(error)}); export it again.") from None


def _output_rows(card: Card) -> int:
    method = card.method("decode")
    return method.spectrum.bins if method.spectrum is not None else method.channels


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
