"""Reconstruction metrics of a model file: encode, decode, invert as on stage, and compare with the original.

Each figure is reported beside its ceiling: the same sound, analysed and resynthesised without a network.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from export.format.card import Card
from export.format.io import load
from models.data import features, manifest
from models.data.manifest import Sound
from models.dsp import sound_distances
from models.encoding import control_tracks
from models.encoding.roundtrip import EvaluateError, Floats, RoundTrip
from models.evaluation import latent_probe as probe
from models.evaluation.ceilings import ceilings
from models.evaluation.latent_probe import Dimension, Usage

__all__ = ["EvaluateError", "Report", "RoundTrip", "Row", "evaluate"]

FAR_CENTS = 25.0
SILENCE_S = 0.1
"""Silence added before each sound, to measure the level before its onset."""


@dataclass(frozen=True)
class Row:
    """Metrics of a group of sounds: means over sounds; pitch errors over all frames.

    Attributes
    ----------
    split, label
        The group of sounds; the label "all" is the whole split.
    sounds
        Number of sounds.
    log_mel_db, log_mel_worst_db, worst
        Mean |Δ log-mel|, that of the worst sound, and the path of that sound.
    spectral_convergence_db, multi_resolution
        See `models.dsp.sound_distances`.
    pitch_cents, pitch_worst_cents, over_25_cents
        Median and largest error, and the share of frames with an error above 25 cents; None if no pitch is known.
    pre_onset_db
        Level before the onset, relative to the sound's own; None if it cannot be measured.
    """

    split: str
    label: str
    sounds: int
    log_mel_db: float
    spectral_convergence_db: float
    pitch_cents: float | None
    over_25_cents: float | None
    log_mel_worst_db: float
    worst: str
    multi_resolution: float
    pitch_worst_cents: float | None
    pre_onset_db: float | None


@dataclass(frozen=True)
class Report:
    """Results of an evaluation.

    Attributes
    ----------
    rows
        A row for each split and label, and a row "all" for each split.
    ceilings
        The same rows for each ceiling, by name.
    unknown_pitch
        Number of sounds without a pitch in the manifest, whose pitch error cannot be measured.
    dimensions
        Usage and effect of each latent, the strongest first.
    hop_ms, encode_ms, decode_ms, invert_ms
        Duration of a frame, and the time that each stage takes for one on one thread.
    """

    name: str
    inversion: str
    rows: tuple[Row, ...]
    unknown_pitch: int
    hop_ms: float
    encode_ms: float
    decode_ms: float
    invert_ms: float
    ceilings: dict[str, tuple[Row, ...]]
    dimensions: tuple[Dimension, ...]

    @property
    def load(self) -> float:
        """Share of one core that decoding and inversion take."""
        return (self.decode_ms + self.invert_ms) / self.hop_ms

    @property
    def real_time(self) -> float:
        """Speed of decoding and inversion on one thread, as a multiple of real time."""
        return 1.0 / self.load

    @property
    def active_units(self) -> int:
        """Number of latents that the encoder uses."""
        return sum(dimension.active for dimension in self.dimensions)

    @property
    def level_leak_db(self) -> float:
        """Largest change of level from moving one latent."""
        return max((dimension.level_leak_db for dimension in self.dimensions), default=0.0)

    @property
    def pitch_leak_cents(self) -> float | None:
        """Largest change of pitch from moving one latent; None if the model has no pitch control."""
        found = [d.pitch_leak_cents for d in self.dimensions if d.pitch_leak_cents is not None]
        return max(found) if found else None

    def row(self, split: str, label: str = "all", *, ceiling: str | None = None) -> Row:
        """Return the row of a split and label, of the model or of one of its ceilings."""
        rows = self.rows if ceiling is None else self.ceilings[ceiling]
        return next(row for row in rows if (row.split, row.label) == (split, label))

    def to_json(self) -> str:
        """Return the report as JSON text."""
        names = ("load", "real_time", "active_units", "level_leak_db", "pitch_leak_cents")
        return json.dumps({**asdict(self), **{name: getattr(self, name) for name in names}}, indent=1)


@dataclass(frozen=True)
class _Figures:
    sound: Sound
    log_mel_db: float
    spectral_convergence_db: float
    multi_resolution: float
    pre_onset_db: float | None
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
        A model file that encodes and decodes, audio or magnitudes.
    data
        A manifest, or its folder.
    limit
        Largest number of sounds per split, evenly chosen; None takes all.
    on_sound
        Called after each sound with the number done and the total.

    Returns
    -------
    report : Report

    Raises
    ------
    ContractError, DataError, EvaluateError
        The file is no such model, or the data cannot be read.
    """
    roundtrip = RoundTrip(*open_model(model))
    resyntheses = ceilings(roundtrip)
    sounds = manifest.read(data)
    chosen = [sound for part in manifest.SPLITS for sound in _evenly(sounds.of_split(part), limit)]
    figures: list[_Figures] = []
    beside: dict[str, list[_Figures]] = {name: [] for name in resyntheses}
    usage = Usage()
    for sound in chosen:
        audio = features.load_sound(sounds, sound, roundtrip.card.sample_rate)
        audio, silence = _after_silence(audio, roundtrip)
        latents = roundtrip.latents(audio, 1 + len(audio) // roundtrip.hop)
        usage.add(audio, latents, roundtrip.hop)
        made = roundtrip.play(latents, control_tracks.measure(audio, roundtrip.card, sound.pitch), len(audio))
        figures.append(_figures(roundtrip, audio, made, silence, sound))
        for name, resynthesise in resyntheses.items():
            beside[name].append(_figures(roundtrip, audio, resynthesise(audio, sound.pitch), silence, sound))
        on_sound(len(figures), len(chosen))
    encode_ms, decode_ms, invert_ms = roundtrip.cost_ms()
    return Report(
        name=roundtrip.card.name,
        inversion=roundtrip.inversion,
        rows=_rows(figures),
        unknown_pitch=sum(sound.pitch is None for sound in chosen),
        hop_ms=1000 * roundtrip.hop / roundtrip.card.sample_rate,
        encode_ms=encode_ms,
        decode_ms=decode_ms,
        invert_ms=invert_ms,
        ceilings={name: _rows(found) for name, found in beside.items()},
        dimensions=probe.dimensions(roundtrip, usage.means),
    )


def open_model(path: str | os.PathLike[str]) -> tuple[onnx.ModelProto, Card]:
    """Read a model file; for another kind of file, the error names the command that makes a model file."""
    path = Path(path)
    if path.exists() and path.suffix.lower() != ".onnx":
        raise EvaluateError(
            f"{path} is not a model file (.onnx); the model comes first, then the manifest; "
            "make one with 'glitch-lab export model.ckpt NAME.onnx'."
        )
    return load(path)


def _after_silence(audio: Floats, roundtrip: RoundTrip) -> tuple[Floats, int]:
    """Put whole frames of silence before a sound; return it with the length of the silence in samples."""
    silence = -(-round(SILENCE_S * roundtrip.card.sample_rate) // roundtrip.hop) * roundtrip.hop
    return np.pad(audio, (silence, 0)), silence


def _evenly(sounds: Sequence[Sound], limit: int | None) -> list[Sound]:
    if limit is None or len(sounds) <= limit:
        return list(sounds)
    return [sounds[int(k)] for k in np.linspace(0, len(sounds) - 1, limit)]


def _figures(roundtrip: RoundTrip, audio: Floats, made: Floats, silence: int, sound: Sound) -> _Figures:
    """Compare the reconstruction with the original, both with silence before them."""
    rate = roundtrip.card.sample_rate
    original, other = audio[silence:], made[silence:]
    return _Figures(
        sound=sound,
        log_mel_db=sound_distances.log_mel_difference_db(original, other, rate),
        spectral_convergence_db=sound_distances.spectral_convergence_db(original, other),
        multi_resolution=sound_distances.multi_resolution(original, other),
        pre_onset_db=sound_distances.pre_onset_db(audio, made, rate),
        cents=None if sound.pitch is None else sound_distances.pitch_errors_cents(original, other, rate, sound.pitch),
    )


def _rows(figures: Sequence[_Figures]) -> tuple[Row, ...]:
    """Average the metrics by split and label."""
    rows = []
    for part in reversed(manifest.SPLITS):
        mine = [f for f in figures if f.sound.split == part]
        labels = sorted({f.sound.label for f in mine})
        rows += [_row(part, label, [f for f in mine if f.sound.label == label]) for label in labels]
        rows += [_row(part, "all", mine)] if mine else []
    return tuple(rows)


def _row(part: str, label: str, figures: Sequence[_Figures]) -> Row:
    cents = [f.cents for f in figures if f.cents is not None]
    joined = np.concatenate(cents) if cents else np.zeros(0)
    before = [f.pre_onset_db for f in figures if f.pre_onset_db is not None]
    worst = max(figures, key=lambda f: f.log_mel_db)
    return Row(
        split=part,
        label=label,
        sounds=len(figures),
        log_mel_db=float(np.mean([f.log_mel_db for f in figures])),
        spectral_convergence_db=float(np.mean([f.spectral_convergence_db for f in figures])),
        pitch_cents=float(np.median(joined)) if len(joined) else None,
        over_25_cents=float((joined > FAR_CENTS).mean()) if len(joined) else None,
        log_mel_worst_db=worst.log_mel_db,
        worst=worst.sound.path,
        multi_resolution=float(np.mean([f.multi_resolution for f in figures])),
        pitch_worst_cents=float(joined.max()) if len(joined) else None,
        pre_onset_db=float(np.mean(before)) if before else None,
    )
