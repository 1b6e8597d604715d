"""What each latent of a model does: how much the encoder uses it, and what moves when it alone is moved.

A sweep takes one latent from two standard deviations below the mean to two above, with all others at the mean and all
controls at their defaults. Timbre should change, and neither level nor pitch where the model is told these.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.dsp import metrics, pitch
from models.inference.roundtrip import Floats, RoundTrip
from realtime.dsp.rtpghi import stft_magnitudes

REACH = 2.0
SWEEP_S = 1.6
EDGE_S = 0.2
"""What is left out at both ends of a sweep: the sound comes up there, and goes."""

PARTS = 8
ACTIVE_VARIANCE = 0.01
"""Variance of the encoder's means from which on a latent counts as active (Burda et al. 2016, appendix C)."""

HEARD_DB = -60.0
MOST_FRAMES = 200


@dataclass(frozen=True)
class Dimension:
    """What is known of a latent, the strongest first.

    Attributes
    ----------
    name
        As the card has it.
    usage
        Variance of the encoder's means over the frames that sound: 0 is a latent that says nothing, and where the prior
        is a standard normal, 1 one that is used to the full.
    active
        Whether that is above `ACTIVE_VARIANCE`.
    effect_db
        Mean |Δ log-mel| between the first and the last eighth of its sweep.
    level_leak_db
        By how much the level changes over its sweep: the range of eight parts.
    pitch_leak_cents
        By how much the pitch strays from the one told; None where the model isn't told any.
    centroid_hz
        By how far the spectrum's centre of gravity moves.
    """

    name: str
    usage: float
    active: bool
    effect_db: float
    level_leak_db: float
    pitch_leak_cents: float | None
    centroid_hz: float


class Usage:
    """Collects what an encoder says of sounds, to tell how its latents are used."""

    def __init__(self) -> None:
        self._means: list[Floats] = []

    def add(self, audio: Floats, latents: Floats, hop: int) -> None:
        """Take the latents [latent, frames] of a sound [samples], as far as it is loud enough, evenly chosen."""
        frames = min(latents.shape[1], len(audio) // hop)
        power = np.asarray(audio[: frames * hop], np.float64).reshape(frames, hop) ** 2
        level = power.mean(axis=1)
        heard = np.flatnonzero(level > level.max(initial=0.0) * 10 ** (HEARD_DB / 10))
        if len(heard) > MOST_FRAMES:
            heard = heard[np.linspace(0, len(heard) - 1, MOST_FRAMES).astype(int)]
        self._means.append(latents[:, heard])

    @property
    def means(self) -> Floats:
        """All that was collected [latent, frames]."""
        return np.concatenate(self._means, axis=1) if self._means else np.zeros((0, 0), np.float32)


def sweep(roundtrip: RoundTrip, dimension: int) -> Floats:
    """Move one latent of the model's own order from `-REACH` to `REACH` standard deviations, and listen [samples]."""
    latent = roundtrip.card.latent
    frames = max(PARTS, round(SWEEP_S * roundtrip.card.sample_rate / roundtrip.hop))
    path = np.tile(np.array(latent.mean, np.float32)[:, None], (1, frames))
    path[dimension] += latent.std[dimension] * np.linspace(-REACH, REACH, frames, dtype=np.float32)
    return roundtrip.play(path, {}, frames * roundtrip.hop)


def dimensions(roundtrip: RoundTrip, means: Floats) -> tuple[Dimension, ...]:
    """Sweep every latent of a model, the strongest first.

    Parameters
    ----------
    means : np.ndarray [shape=(latents, frames)]
        What the encoder says of sounds; see `Usage`.
    """
    latent = roundtrip.card.latent
    variance = means.var(axis=1) if means.shape[1] > 1 else np.zeros(latent.size)
    return tuple(_dimension(roundtrip, k, float(variance[k])) for k in latent.order)


def _dimension(roundtrip: RoundTrip, number: int, usage: float) -> Dimension:
    rate = roundtrip.card.sample_rate
    edge = round(EDGE_S * rate)
    audio = sweep(roundtrip, number)[edge:-edge]
    whole = -(-metrics.N_FFT // metrics.MEL_HOP)  # frames at the ends see more than the sweep
    mel = np.array_split(metrics.mel_power(audio, rate)[:, whole:-whole], PARTS, axis=1)
    told = next((c for c in roundtrip.decode.controls if c.name == "pitch"), None)
    strayed = None
    if told is not None:
        found = pitch.refine(audio, rate, told.default, metrics.FINE_HOP)[10:-10]
        strayed = float(100 * np.abs(found - told.default).max(initial=0.0))
    return Dimension(
        name=roundtrip.card.latent.names[number],
        usage=usage,
        active=usage > ACTIVE_VARIANCE,
        effect_db=_apart_db(mel[0].mean(axis=1), mel[-1].mean(axis=1)),
        level_leak_db=level_leak_db(audio),
        pitch_leak_cents=strayed,
        centroid_hz=float(np.ptp(_centroids_hz(audio, rate, whole))),
    )


def level_leak_db(audio: Floats) -> float:
    """Range of the levels of eight parts of a sound that should be equally loud, dB."""
    level = [np.mean(np.asarray(part, np.float64) ** 2) for part in np.array_split(audio, PARTS)]
    return float(np.ptp(10 * np.log10(np.maximum(level, 1e-12))))


def _apart_db(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Mean |Δ log-mel| of two spectra [bands], not below the floor."""
    top = max(float(one.max()), float(other.max()), 1e-20)
    levels = [np.maximum(10 * np.log10(np.maximum(x / top, 1e-20)), metrics.FLOOR_DB) for x in (one, other)]
    return float(np.abs(levels[0] - levels[1]).mean())


def _centroids_hz(audio: Floats, rate: int, whole: int) -> NDArray[np.float64]:
    """Centre of gravity of the magnitudes of eight parts, Hz."""
    magnitudes = np.asarray(stft_magnitudes(audio, metrics.N_FFT, metrics.MEL_HOP, "hann"), np.float64)
    parts = [part.sum(axis=1) for part in np.array_split(magnitudes[:, whole:-whole], PARTS, axis=1)]
    bins = np.arange(magnitudes.shape[0]) * rate / metrics.N_FFT
    return np.array([(part * bins).sum() / max(float(part.sum()), 1e-12) for part in parts])
