"""What a model file makes of sounds: encode, decode, invert as on stage, and compare with the original."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from export.contract import Card, GlitchError, Method, load, split
from models import features, metrics
from models.data import manifest
from models.data.manifest import Sound
from realtime.phase import PhaseInverter

FAR_CENTS = 25.0
_TIMED_FRAMES = 400


class EvaluateError(GlitchError):
    """A model cannot be evaluated this way."""


@dataclass(frozen=True)
class Row:
    """Figures of some sounds: the mean of each sound's, the pitch's over all their frames."""

    split: str
    label: str
    sounds: int
    log_mel_db: float
    spectral_convergence_db: float
    pitch_cents: float | None
    over_25_cents: float | None


@dataclass(frozen=True)
class Report:
    """What was measured: a row for each split and label, one "all" for each split, and the cost on one thread.

    `unknown_pitch` counts the sounds whose pitch the manifest doesn't give, so its error cannot be measured.
    """

    name: str
    inversion: str
    rows: tuple[Row, ...]
    unknown_pitch: int
    hop_ms: float
    encode_ms: float
    decode_ms: float
    invert_ms: float

    @property
    def load(self) -> float:
        """Share of one core that decoding and inverting takes."""
        return (self.decode_ms + self.invert_ms) / self.hop_ms

    def row(self, split: str, label: str = "all") -> Row:
        """Give the figures of a split and label."""
        return next(row for row in self.rows if (row.split, row.label) == (split, label))

    def to_json(self) -> str:
        """Write it as JSON."""
        return json.dumps({**asdict(self), "load": self.load}, indent=1)


@dataclass(frozen=True)
class _Figures:
    sound: Sound
    log_mel_db: float
    spectral_convergence_db: float
    cents: NDArray[np.float64] | None


def evaluate(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str],
    *,
    limit: int | None = None,
    on_sound: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Evaluate a model file on the sounds of a manifest.

    Parameters
    ----------
    model
        A model file that encodes audio and decodes magnitudes, told pitch and loudness.
    data
        A manifest, or the folder that holds it.
    limit
        At most so many sounds a split, evenly chosen; None takes all.
    on_sound
        Called after each sound with how many are done and how many there are.

    Raises
    ------
    ContractError, DataError, EvaluateError
        The file is no such model, or the data cannot be read.
    """
    roundtrip = RoundTrip(*_load(Path(model)))
    sounds = manifest.read(data)
    chosen = [sound for part in manifest.SPLITS for sound in _evenly(sounds.of_split(part), limit)]
    figures = []
    for sound in chosen:
        audio = features.load_sound(sounds, sound, roundtrip.card.sample_rate)
        figures.append(_figures(roundtrip, audio, sound))
        on_sound(len(figures), len(chosen))
    rows = []
    for part in reversed(manifest.SPLITS):
        mine = [f for f in figures if f.sound.split == part]
        labels = sorted({f.sound.label for f in mine})
        rows += [_row(part, label, [f for f in mine if f.sound.label == label]) for label in labels]
        rows += [_row(part, "all", mine)] if mine else []
    encode_ms, decode_ms, invert_ms = roundtrip.cost_ms()
    return Report(
        name=roundtrip.card.name,
        inversion=f"RTPGHI(0), n_fft {roundtrip.analysis.n_fft}, hop {roundtrip.analysis.hop}",
        rows=tuple(rows),
        unknown_pitch=sum(sound.pitch is None for sound in chosen),
        hop_ms=1000 * roundtrip.analysis.hop / roundtrip.card.sample_rate,
        encode_ms=encode_ms,
        decode_ms=decode_ms,
        invert_ms=invert_ms,
    )


class RoundTrip:
    """A model's `encode` and `decode` and the stage's inversion, one after the other, on one thread.

    Parameters
    ----------
    model, card
        As `export.contract.load` gives them.

    Raises
    ------
    EvaluateError
        The model doesn't encode, or doesn't decode magnitudes by pitch and loudness.
    """

    def __init__(self, model: onnx.ModelProto, card: Card) -> None:
        self.card = card
        self.decode = _method(card, "decode")
        self.encode = _method(card, "encode")
        spectrum = self.decode.spectrum
        controls = {control.name for control in self.decode.controls}
        if spectrum is None or spectrum.scale != "linear" or not {"pitch", "loudness"} <= controls:
            raise EvaluateError(
                f"The model '{card.name}' doesn't decode linear magnitudes by pitch and loudness; "
                "evaluate one that 'glitch-lab train vae' made."
            )
        self.analysis = features.Analysis(card.sample_rate, spectrum.n_fft, spectrum.hop)
        self.window = spectrum.window
        self.decoder, self.encoder = (_session(split(model, name)) for name in ("decode", "encode"))

    def latents(self, audio: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
        """Encode audio [samples]: the latents of its frames centred at multiples of the hop, [latent, frames]."""
        hop = self.analysis.hop
        # A latent comes `delay` samples after the middle of its frame; those before the first middle are dropped.
        late = round(self.encode.delay / hop)
        padded = np.zeros((frames + late) * hop, np.float32)
        padded[: min(len(audio), len(padded))] = audio[: len(padded)]
        states = {f"encode.state.{k}": np.zeros_like(rest) for k, rest in enumerate(self.encode.rest)}
        (latents,) = self.encoder.run(["encode.output"], {"encode.input": padded[None, None], **states})
        return np.asarray(latents[0, :, late:], np.float32)

    def magnitudes(
        self, latents: NDArray[np.float32], pitch: NDArray[np.float32], loudness: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Decode latents [latent, frames] at a pitch and a loudness [frames], [bins, frames]."""
        feeds = {"decode.input": latents[None]}
        given = {"pitch": pitch, "loudness": loudness}
        for control in self.decode.controls:
            length = latents.shape[1] if control.per_frame else 1
            values = given.get(control.name, np.full((control.size, length), control.default, np.float32))
            low, high = control.minimum, control.maximum
            feeds[f"decode.control.{control.name}"] = np.clip(values.reshape(1, control.size, length), low, high)
        states = {f"decode.state.{k}": rest for k, rest in enumerate(self.decode.rest)}
        (magnitudes,) = self.decoder.run(["decode.output"], {**feeds, **states})
        return np.asarray(magnitudes[0], np.float32)

    def audio(self, magnitudes: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
        """Invert magnitudes [bins, frames] as on stage, a frame at a time, aligned with the original, [samples]."""
        inverter = self._inverter()
        tail = np.zeros((magnitudes.shape[0], -(-inverter.delay // self.analysis.hop) + 1), np.float32)
        whole = np.concatenate([magnitudes, tail], axis=1)
        blocks = [inverter.push(np.ascontiguousarray(whole[:, t : t + 1])) for t in range(whole.shape[1])]
        found = np.concatenate([np.array(block, np.float32) for block in blocks])[inverter.delay :]
        return np.pad(found, (0, max(0, samples - len(found))))[:samples]

    def __call__(self, audio: NDArray[np.float32], note: float | None) -> NDArray[np.float32]:
        """Give back audio [samples] as the model and the inversion make it, at its own pitch and loudness."""
        found = features.analyse(audio, self.analysis, note)
        latents = self.latents(audio, len(found.pitch))
        return self.audio(self.magnitudes(latents, found.pitch, found.loudness), len(audio))

    def cost_ms(self) -> tuple[float, float, float]:
        """Median time of encoding, decoding and inverting one frame, ms."""
        hop, latent = self.analysis.hop, self.card.latent
        random = np.random.default_rng(0)
        audio = 0.1 * random.standard_normal((1, 1, hop)).astype(np.float32)
        states = {f"encode.state.{k}": rest for k, rest in enumerate(self.encode.rest)}
        middle = np.array(latent.mean, np.float32)[:, None]
        flat = np.full(1, 60, np.float32), np.full(1, -20, np.float32)
        inverter = self._inverter()
        frame = self.magnitudes(middle, *flat)
        encode = _median_ms(lambda: self.encoder.run(None, {"encode.input": audio, **states}))
        decode = _median_ms(lambda: self.magnitudes(middle, *flat))
        invert = _median_ms(lambda: inverter.push(frame))
        return encode, decode, invert

    def _inverter(self) -> PhaseInverter:
        return PhaseInverter(self.analysis.n_fft, self.analysis.hop, window=self.window)


def _load(path: Path) -> tuple[onnx.ModelProto, Card]:
    """Read a model file; what isn't even called one gets the command that makes one."""
    if path.exists() and path.suffix.lower() != ".onnx":
        raise EvaluateError(
            f"{path} is not a model file (.onnx), which comes first, before the manifest; "
            "make one with 'glitch-lab export model.ckpt NAME.onnx'."
        )
    return load(path)


def _method(card: Card, name: str) -> Method:
    if name not in card.methods:
        has = ", ".join(card.methods)
        raise EvaluateError(f"The model '{card.name}' has no '{name}', so there is nothing to compare; it has: {has}.")
    return card.method(name)


def _session(model: onnx.ModelProto) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _evenly(sounds: Sequence[Sound], limit: int | None) -> list[Sound]:
    if limit is None or len(sounds) <= limit:
        return list(sounds)
    return [sounds[int(k)] for k in np.linspace(0, len(sounds) - 1, limit)]


def _figures(roundtrip: RoundTrip, audio: NDArray[np.float32], sound: Sound) -> _Figures:
    rate = roundtrip.card.sample_rate
    made = roundtrip(audio, sound.pitch)
    return _Figures(
        sound=sound,
        log_mel_db=metrics.log_mel_difference_db(audio, made, rate),
        spectral_convergence_db=metrics.spectral_convergence_db(audio, made),
        cents=None if sound.pitch is None else metrics.pitch_errors_cents(audio, made, rate, sound.pitch),
    )


def _row(part: str, label: str, figures: Sequence[_Figures]) -> Row:
    cents = [f.cents for f in figures if f.cents is not None]
    joined = np.concatenate(cents) if cents else np.zeros(0)
    return Row(
        split=part,
        label=label,
        sounds=len(figures),
        log_mel_db=float(np.mean([f.log_mel_db for f in figures])),
        spectral_convergence_db=float(np.mean([f.spectral_convergence_db for f in figures])),
        pitch_cents=float(np.median(joined)) if len(joined) else None,
        over_25_cents=float((joined > FAR_CENTS).mean()) if len(joined) else None,
    )


def _median_ms(call: Callable[[], object]) -> float:
    times = []
    for _ in range(_TIMED_FRAMES):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return 1000 * float(np.median(times[_TIMED_FRAMES // 4 :]))
