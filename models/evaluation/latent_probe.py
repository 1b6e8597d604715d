"""Usage and effect of each latent of a model, measured by sweeps.

A sweep moves one latent from two standard deviations below the mean to two above, with all others at the mean and all
controls at their defaults. Timbre should change; level and pitch should not, if the model has controls for them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.dsp import pitch, sound_distances
from models.encoding.roundtrip import Floats, RoundTrip
from realtime.dsp.rtpghi import stft_magnitudes

REACH = 2.0
SWEEP_S = 1.6
EDGE_S = 0.2
"""Time left out at both ends of a sweep, for attack and release."""

PARTS = 8
ACTIVE_VARIANCE = 0.01
"""Variance of the encoder's means above which a latent counts as active (Burda et al. 2016, appendix C)."""

AUDIBLE_DB = -60.0
MAX_FRAMES = 200


@dataclass(frozen=True)
class Dimension:
    """Usage and effect of a latent.

    Attributes
    ----------
    name
        Name in the card.
    usage
        Variance of the encoder's means over the audible frames: 0 for an unused latent; 1 for a fully used one, if the
        prior is a standard normal.
    active
        Whether `usage` is above `ACTIVE_VARIANCE`.
    effect_db
        Mean |Δ log-mel| between the first and the last eighth of its sweep.
    level_leak_db
        Range of the level over eight parts of its sweep.
    pitch_leak_cents
        Largest deviation from the pitch that was set; None if the model has no pitch control.
    centroid_hz
        Range of the spectral centroid over its sweep.
    """

    name: str
    usage: float
    active: bool
    effect_db: float
    level_leak_db: float
    pitch_leak_cents: float | None
    centroid_hz: float


class Usage:
    """Collects the encoder's latents of sounds, to measure how much each is used."""

    def __init__(self) -> None:
        self._means: list[Floats] = []

    def add(self, audio: Floats, latents: Floats, hop: int) -> None:
        """Add the latents [latent, frames] of a sound [samples]: of audible frames, evenly chosen."""
        frames = min(latents.shape[1], len(audio) // hop)
        power = np.asarray(audio[: frames * hop], np.float64).reshape(frames, hop) ** 2
        level = power.mean(axis=1)
        audible = np.flatnonzero(level > level.max(initial=0.0) * 10 ** (AUDIBLE_DB / 10))
        if len(audible) > MAX_FRAMES:
            audible = audible[np.linspace(0, len(audible) - 1, MAX_FRAMES).astype(int)]
        self._means.append(latents[:, audible])

    @property
    def means(self) -> Floats:
        """The collected latents [latent, frames]."""
        return np.concatenate(self._means, axis=1) if self._means else np.zeros((0, 0), np.float32)


def sweep(roundtrip: RoundTrip, dimension: int) -> Floats:
    """Play a sweep of one latent (index in the model's own order) from `-REACH` to `REACH` σ: audio [samples]."""
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
        The encoder's latents of some sounds; see `Usage`.

    Returns
    -------
    dimensions : tuple of Dimension
    """
    latent = roundtrip.card.latent
    variance = means.var(axis=1) if means.shape[1] > 1 else np.zeros(latent.size)
    return tuple(_dimension(roundtrip, k, float(variance[k])) for k in latent.order)


def _dimension(roundtrip: RoundTrip, number: int, usage: float) -> Dimension:
    rate = roundtrip.card.sample_rate
    edge = round(EDGE_S * rate)
    audio = sweep(roundtrip, number)[edge:-edge]
    whole = -(-sound_distances.N_FFT // sound_distances.MEL_HOP)  # frames at the ends see more than the sweep
    mel = np.array_split(sound_distances.mel_power(audio, rate)[:, whole:-whole], PARTS, axis=1)
    control = next((c for c in roundtrip.decode.controls if c.name == "pitch"), None)
    deviation = None
    if control is not None:
        found = pitch.refine(audio, rate, control.default, sound_distances.FINE_HOP)[10:-10]
        deviation = float(100 * np.abs(found - control.default).max(initial=0.0))
    return Dimension(
        name=roundtrip.card.latent.names[number],
        usage=usage,
        active=usage > ACTIVE_VARIANCE,
        effect_db=_apart_db(mel[0].mean(axis=1), mel[-1].mean(axis=1)),
        level_leak_db=level_leak_db(audio),
        pitch_leak_cents=deviation,
        centroid_hz=float(np.ptp(_centroids_hz(audio, rate, whole))),
    )


def level_leak_db(audio: Floats) -> float:
    """Compute the range of levels of eight parts of a sound, dB."""
    level = [np.mean(np.asarray(part, np.float64) ** 2) for part in np.array_split(audio, PARTS)]
    return float(np.ptp(10 * np.log10(np.maximum(level, 1e-12))))


def _apart_db(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Mean |Δ log-mel| of two spectra [bands], not below the floor."""
    top = max(float(one.max()), float(other.max()), 1e-20)
    levels = [np.maximum(10 * np.log10(np.maximum(x / top, 1e-20)), sound_distances.FLOOR_DB) for x in (one, other)]
    return float(np.abs(levels[0] - levels[1]).mean())


def _centroids_hz(audio: Floats, rate: int, whole: int) -> NDArray[np.float64]:
    """Centre of gravity of the magnitudes of eight parts, Hz."""
    magnitudes = np.asarray(stft_magnitudes(audio, sound_distances.N_FFT, sound_distances.MEL_HOP, "hann"), np.float64)
    parts = [part.sum(axis=1) for part in np.array_split(magnitudes[:, whole:-whole], PARTS, axis=1)]
    bins = np.arange(magnitudes.shape[0]) * rate / sound_distances.N_FFT
    return np.array([(part * bins).sum() / max(float(part.sum()), 1e-12) for part in parts])
