"""A model's `encode` and `decode` and the stage's inversion, one after the other: what comes back of a sound."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from export.errors import GlitchError
from export.format.card import Card, Method
from models.data.features import Analysis
from models.encoding import control_tracks
from realtime.dsp.rtpghi import PhaseInverter
from realtime.engine.loaded_method import LoadedMethod

PLAIN_N_FFT, PLAIN_HOP, PLAIN_RATE = 2048, 256, 48_000  # of the spectrum that a model of audio is compared with
_TIMED_FRAMES = 400

Floats = NDArray[np.float32]


class EvaluateError(GlitchError):
    """A model cannot be evaluated this way."""


class RoundTrip:
    """Gives a sound back as a model makes it, a frame a step and on one thread, as on stage.

    The model may give audio or magnitudes. Controls named `pitch` and `loudness` get the values measured on the sound;
    all others have their defaults.

    Parameters
    ----------
    model, card
        As `export.format.io.load` gives them.

    Attributes
    ----------
    decode, encode : Method
        What the card says of them.
    analysis : Analysis
        The spectrum that the model makes; for a model of audio one of 2048 samples every 256 at 48 kHz.

    Raises
    ------
    EvaluateError
        The model doesn't encode, or doesn't decode, or takes other hops for the one than for the other.
    """

    def __init__(self, model: onnx.ModelProto, card: Card) -> None:
        self.card = card
        self.decode, self.encode = _method(card, "decode"), _method(card, "encode")
        if self.decode.hop != self.encode.hop:
            raise EvaluateError(
                f"The model '{card.name}' encodes every {self.encode.hop} samples and decodes every "
                f"{self.decode.hop}, so a sound doesn't come back as long as it was; export it with one hop for both."
            )
        spectrum, rate = self.decode.spectrum, card.sample_rate
        n_fft = 1 << round(np.log2(PLAIN_N_FFT * rate / PLAIN_RATE))
        plain = Analysis(rate, n_fft, n_fft * PLAIN_HOP // PLAIN_N_FFT)
        self.analysis = plain if spectrum is None else Analysis(rate, spectrum.n_fft, spectrum.hop)
        self.window = "hann" if spectrum is None else spectrum.window
        self._decoder = LoadedMethod(model, card, "decode", card.name)
        self._encoder = LoadedMethod(model, card, "encode", card.name)

    @property
    def hop(self) -> int:
        """Samples per frame."""
        return self.decode.hop

    @property
    def delay(self) -> int:
        """Samples by which the sound lags its latent: the graph's delay and the inversion's."""
        return self.decode.delay + (self.inverter().delay if self.decode.spectrum is not None else 0)

    @property
    def inversion(self) -> str:
        """Inverter of the model's magnitudes."""
        if self.decode.spectrum is None:
            return "the model's own audio"
        return f"RTPGHI(0), n_fft {self.analysis.n_fft}, hop {self.analysis.hop}"

    def __call__(self, audio: Floats, note: float | None = None) -> Floats:
        """Give back audio [shape=(samples,)]; `note` is its pitch as a MIDI note number, where it is known."""
        return self.play(
            self.latents(audio, 1 + len(audio) // self.hop), control_tracks.measure(audio, self.card, note), len(audio)
        )

    def latents(self, audio: Floats, frames: int) -> Floats:
        """Encode audio [samples] into latents [latent, frames] at multiples of the hop."""
        hop, delay = self.hop, self.encode.delay
        lead = -delay % hop  # silence that makes the delay a number of whole frames
        late = (lead + delay) // hop  # frames that come before the first sample has gone through
        padded = np.zeros((late + frames) * hop, np.float32)
        kept = audio[: len(padded) - lead]
        padded[lead : lead + len(kept)] = kept
        self._encoder.restore(tuple(np.zeros_like(rest) for rest in self.encode.rest))
        latents = np.zeros((self.card.latent.size, frames), np.float32)
        for t in range(late + frames):
            self._encoder.input[:] = padded[t * hop : (t + 1) * hop]  # the same on every channel
            self._encoder.run()
            if t >= late:
                latents[:, t - late] = self._encoder.output[0, :, 0]
        return latents

    def play(self, latents: Floats, controls: Mapping[str, NDArray[np.floating]], samples: int) -> Floats:
        """Decode latents to audio.

        Parameters
        ----------
        latents : np.ndarray [shape=(latent, frames)]
            At multiples of the hop.
        controls : mapping of str to np.ndarray [shape=(frames,)]
            Values by name; the other controls are at their defaults.
        samples
            Samples of the audio.

        Returns
        -------
        audio : np.ndarray [shape=(samples,)]
            Aligned with the latents.
        """
        frames = latents.shape[1]
        index = np.minimum(np.arange(frames + -(-self.decode.delay // self.hop)), frames - 1)  # the last one is held
        decoded = self.decoded(latents[:, index], {name: values[index] for name, values in controls.items()})
        return self.audio(decoded, samples)

    def magnitudes(self, latents: Floats, pitch: Floats, loudness: Floats) -> Floats:
        """Decode latents [latent, frames] at a pitch and a loudness [frames], [bins, frames]."""
        return self.decoded(latents, {"pitch": pitch, "loudness": loudness})

    def decoded(self, latents: Floats, controls: Mapping[str, NDArray[np.floating]]) -> Floats:
        """Decode latents [latent, frames] from rest: linear magnitudes [bins, frames] or audio [channels, samples]."""
        graph, spectrum = self._decoder, self.decode.spectrum
        graph.reset()
        parts = []
        for t in range(latents.shape[1]):
            graph.input[0, :, 0] = latents[:, t]
            self._turn({name: float(values[t]) for name, values in controls.items()})
            graph.run()
            parts.append(graph.output[0].copy())
        made = np.concatenate(parts, axis=1)
        return np.exp(made) if spectrum is not None and spectrum.scale == "log" else made

    def audio(self, decoded: Floats, samples: int) -> Floats:
        """Make audio [samples] of what was decoded, inverted as on stage, aligned with the latents, mono."""
        if self.decode.spectrum is None:
            found = decoded.mean(axis=0)[self.decode.delay :]
        else:
            found = self.inverted(decoded)[self.decode.delay :]
        return np.pad(found, (0, max(0, samples - len(found))))[:samples]

    def inverted(self, magnitudes: Floats) -> Floats:
        """Invert magnitudes [bins, frames] as on stage, without lookahead, aligned with them, [frames * hop + more]."""
        inverter = self.inverter()
        tail = np.zeros((magnitudes.shape[0], -(-inverter.delay // inverter.hop) + 1), np.float32)
        return np.asarray(inverter.push(np.concatenate([magnitudes, tail], axis=1))[inverter.delay :])

    def inverter(self) -> PhaseInverter:
        """Make a fresh inverter of the model's magnitudes."""
        return PhaseInverter(self.analysis.n_fft, self.analysis.hop, window=self.window)

    def cost_ms(self) -> tuple[float, float, float]:
        """Median time of encoding, decoding and inverting one frame, ms."""
        random = np.random.default_rng(0)
        self._encoder.input[:] = 0.1 * random.standard_normal(self._encoder.input.shape)
        self._decoder.input[0, :, 0] = self.card.latent.mean
        self._turn({})
        encode, decode = _median_ms(self._encoder.run), _median_ms(self._decoder.run)
        if self.decode.spectrum is None:
            return encode, decode, 0.0
        inverter, frame = self.inverter(), self._decoder.output[0].copy()
        return encode, decode, _median_ms(lambda: inverter.push(frame))

    def _turn(self, values: Mapping[str, float]) -> None:
        for control, buffer in zip(self.decode.controls, self._decoder.controls, strict=True):
            buffer[:] = np.clip(values.get(control.name, control.default), control.minimum, control.maximum)


def _method(card: Card, name: str) -> Method:
    if name not in card.methods:
        has = ", ".join(card.methods)
        raise EvaluateError(f"The model '{card.name}' has no '{name}', so there is nothing to compare; it has: {has}.")
    return card.method(name)


def _median_ms(call: Callable[[], object]) -> float:
    times = []
    for _ in range(_TIMED_FRAMES):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return 1000 * float(np.median(times[_TIMED_FRAMES // 4 :]))
