"""A chunk model played in every form: as on stage, unchunked, in independent chunks, and worse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort

from export.format.card import AUDIO_IN, Card, Method, Spectrum
from export.format.graph import split
from export.format.io import load
from export.format.mel_scale import bands_of
from realtime.dsp.mel_inversion import MelInverter
from realtime.dsp.rtpghi import analysis_window
from realtime.engine.loaded_method import LoadedMethod
from realtime.latent.walk import Walk
from realtime.params.table import table

CHUNK_FRAMES = 64
"""Frames of the spectrum in a chunk: 0.68 s at 48 kHz and hop 512, as generated independently in training."""
PASS_S = 30.0
"""Longest input of the unchunked pass, s."""


@dataclass(frozen=True)
class Played:
    """The output of a form.

    Attributes
    ----------
    wanted : np.ndarray [shape=(bands, frames)]
        Power in bands, as the network gives it.
    audio : np.ndarray [shape=(frames * hop,)]
        Frame k of `wanted` is centred at sample k * hop.
    boundaries
        Sample positions where chunks meet, or would meet.
    """

    wanted: np.ndarray
    audio: np.ndarray
    boundaries: Sequence[int]


class ChunkModel:
    """A model with a method that gives mel bands: `transform`, or else `decode`.

    Parameters
    ----------
    path
        Of the model file.
    chunk_frames
        Frames of the spectrum in a chunk.
    """

    def __init__(self, path: Path, chunk_frames: int = CHUNK_FRAMES) -> None:
        self.path, self.chunk_frames = path, chunk_frames
        self._model, self.card = load(path)
        found = method_of(self.card)
        if found is None:
            raise RuntimeError(f"{path} gives no mel bands; name models that do in STITCH_MODELS")
        self.name: str = found
        self._graph = LoadedMethod(self._model, self.card, self.name, path)
        self._graph.values[:] = self._graph.rest
        assert self.method.spectrum is not None
        self.spectrum: Spectrum = self.method.spectrum

    @property
    def method(self) -> Method:
        """The method's entry in the card."""
        return self.card.method(self.name)

    @property
    def rate(self) -> int:
        """Sample rate, Hz."""
        return self.card.sample_rate

    @property
    def takes_audio(self) -> bool:
        """Whether the input is audio rather than latents."""
        return self.name in AUDIO_IN

    @property
    def chunk(self) -> int:
        """Length of a chunk in samples, whole hops."""
        hops = max(round(self.chunk_frames * self.spectrum.hop / self.method.hop), 1)
        return hops * self.method.hop

    @property
    def every_frame_alike(self) -> bool:
        """Whether the network takes one frame at a time, so that it treats all frames alike."""
        return self.method.hop == self.spectrum.hop

    @property
    def lag(self) -> int:
        """Delay of `Played.audio` against the input, samples."""
        return self.method.delay

    def led(self, seconds: float, seed: int = 0) -> np.ndarray:
        """Return the latents of a walk at the stage's defaults [shape=(latents, frames)]."""
        latent, frame_rate = self.card.latent, self.rate / self.method.hop
        default = {row.address: row.default for row in table(self.card, []).by_index}
        walk = Walk(latent.size, frame_rate, seed)
        speed, radius = float(default["/walk/speed"]), float(default["/walk/radius"])
        scores = np.stack([walk.next(speed, radius) for _ in range(round(seconds * frame_rate))], axis=1)
        given = np.empty_like(scores)
        for rank, dimension in enumerate(latent.order):
            given[dimension] = latent.mean[dimension] + latent.std[dimension] * scores[rank]
        return given.astype(np.float32)

    def streamed(self, given: np.ndarray) -> Played:
        """Play a hop at a time, as the stage does."""
        return self._running(self._spectra(given, 0))

    def whole(self, given: np.ndarray) -> Played:
        """Play unchunked: half a minute at once, then on from there, since more at once takes gigabytes."""
        given = self._in_hops(given)
        settings = ort.SessionOptions()
        settings.intra_op_num_threads = 1
        settings.log_severity_level = 3
        part = split(self._model, self.name).SerializeToString()
        session = ort.InferenceSession(part, settings, providers=["CPUExecutionProvider"])
        asked = [f"{self.name}.output", *(f"{self.name}.state.{k}.next" for k in range(len(self.method.rest)))]
        states = [np.asarray(rest, np.float32) for rest in self.method.rest]
        length = max(round(PASS_S * self.rate / self.method.hop), 1) * self._step
        made = []
        for begin in range(0, given.shape[1], length):
            output, *states = session.run(asked, self._feeds(given[:, begin : begin + length], states))
            made.append(output[0])
        return self._running(self._linear(np.concatenate(made, axis=1)))

    def apart(self, given: np.ndarray, context: int = 0) -> Played:
        """Generate each chunk by itself, from empty caches; analysis, phase and counts of frames go on.

        A generator takes `context` latents before each chunk first, whose output is discarded.
        """
        return self._running(self._spectra(given, self.chunk // self.method.hop, context))

    def naive(self, given: np.ndarray) -> Played:
        """Generate and invert each chunk by itself, and concatenate the sounds."""
        wanted = self._spectra(given, self.chunk // self.method.hop)
        size = self.chunk // self.spectrum.hop
        parts = [self._by_itself(wanted[:, k : k + size]) for k in range(0, wanted.shape[1], size)]
        return Played(wanted, np.concatenate(parts), self._borders(wanted.shape[1], 0.0))

    def delayed(self, given: np.ndarray, shift: int) -> Played:
        """Play an input that is delayed by `shift` samples, as the stage does."""
        if self.takes_audio:
            before = np.zeros((1, shift), np.float32)
        else:
            before = np.repeat(np.array(self.card.latent.mean, np.float32)[:, None], shift // self.method.hop, axis=1)
        return self.streamed(np.concatenate([before, given], axis=1))

    def inverted(self, wanted: np.ndarray) -> np.ndarray:
        """Return the sound of power in bands [bands, frames] on one running phase; frame k is centred at k * hop."""
        spectrum = self.spectrum
        weights = bands_of(spectrum, self.rate)
        inverter = MelInverter(weights, spectrum.n_fft, spectrum.hop, window=spectrum.window)
        after = np.zeros((len(wanted), -(-inverter.delay // self.spectrum.hop)), np.float32)
        audio = inverter.push(np.concatenate([wanted, after], axis=1))
        return audio[inverter.delay : inverter.delay + wanted.shape[1] * spectrum.hop]

    @property
    def _step(self) -> int:
        """Length of the input for one frame."""
        return self.method.hop if self.takes_audio else 1

    def _in_hops(self, given: np.ndarray) -> np.ndarray:
        missing = -given.shape[1] % self._step
        return np.pad(np.asarray(given, np.float32), ((0, 0), (0, missing)))

    def _feeds(self, given: np.ndarray, states: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Return the inputs for many frames at once, controls at their defaults."""
        feeds = {f"{self.name}.input": given[None]}
        feeds |= {f"{self.name}.state.{k}": state for k, state in enumerate(states)}
        for control in self.method.controls:
            frames = given.shape[1] // self._step if control.per_frame else 1
            name = f"{self.name}.control.{control.name}"
            feeds[name] = np.full((1, control.size, frames), control.default, np.float32)
        return feeds

    def _spectra(self, given: np.ndarray, every: int, context: int = 0) -> np.ndarray:
        """Return power in bands [bands, frames], with the network's caches emptied `every` so many hops; 0 is never."""
        graph, given = self._graph, self._in_hops(given)
        graph.reset()
        made = []
        before_it = graph.snapshot()
        for hop, begin in enumerate(range(0, given.shape[1], self._step)):
            if every and (hop + context) % every == 0:
                before_it = graph.snapshot()
            if every and hop % every == 0:
                graph.restore(tuple(self._wiped(before_it)))
                for before in range(max(hop - context, 0), hop):
                    graph.input[0] = given[:, before : before + 1]
                    graph.run()
            graph.input[0] = given[:, begin : begin + self._step]
            graph.run()
            made.append(graph.output[0].copy())
        return self._linear(np.concatenate(made, axis=1))

    def _wiped(self, caches: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Zero all caches but that of the analysis, which holds sound (its middle axis is 1), and counts of frames."""

        def stays(cache: np.ndarray) -> bool:
            return cache.size == 1 or (self.takes_audio and cache.ndim == 3 and cache.shape[1] == 1)

        return [cache if stays(cache) else 0 * cache for cache in caches]

    def _linear(self, output: np.ndarray) -> np.ndarray:
        return np.exp(output) if self.spectrum.scale == "log" else output.copy()

    def _running(self, wanted: np.ndarray) -> Played:
        """Invert on one running phase: chunks meet between two frames."""
        return Played(wanted, self.inverted(wanted), self._borders(wanted.shape[1], -0.5))

    def _by_itself(self, wanted: np.ndarray) -> np.ndarray:
        """Invert a chunk with silence around it, its ends as loud as the rest."""
        n_fft, hop = self.spectrum.n_fft, self.spectrum.hop
        power = analysis_window(n_fft, self.spectrum.window) ** 2
        length = wanted.shape[1] * hop
        there, always = np.zeros(length + n_fft), np.zeros(length + n_fft)
        for begin in range(-n_fft, length + n_fft, hop):
            left, right = max(begin, 0), min(begin + n_fft, len(always))
            if right > left:
                always[left:right] += power[left - begin : right - begin]
                if 0 <= begin < length:
                    there[left:right] += power[left - begin : right - begin]
        kept = slice(n_fft // 2, n_fft // 2 + length)
        gain = always[kept] / np.maximum(there[kept], 0.01)
        return np.asarray(self.inverted(wanted) * gain, np.float32)

    def _borders(self, frames: int, frame: float) -> list[int]:
        """Return the sample positions where chunks begin, `frame` frames after their first is centred."""
        size = self.chunk // self.spectrum.hop
        return [round((k + frame) * self.spectrum.hop) for k in range(size, frames, size)]


def method_of(card: Card) -> str | None:
    """Return the method that gives mel bands, or None."""
    for name in ("transform", "decode"):
        method = card.methods.get(name)
        if method is not None and method.spectrum is not None and method.spectrum.mel is not None:
            return name
    return None
