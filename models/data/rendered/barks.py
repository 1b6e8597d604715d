"""Synthesised dog barks and car horns, free of the rights of recordings.

A bark is a pulse train with a pitch that rises and falls within a fifth of a second, with jitter and breath noise,
filtered by the resonances of a short vocal tract. A horn is two reeds about a third apart, each a harmonic series
shaped by the resonances of a trumpet-like body, with attack and release of a few hundredths of a second.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Floats = NDArray[np.float64]

LICENCE = "CC0 (synthesised by glitch-lab data pair)"
CLIP_SECONDS = 2.0
_RMS_DB = -20.0
_HISS = 1e-4
_ROUGH_S = 0.004  # interval of the pitch jitter of a bark


def bark(rate: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Synthesise one to four barks of one dog in a clip of `CLIP_SECONDS`, shape [samples]."""
    audio = _HISS * random.standard_normal(round(CLIP_SECONDS * rate))
    size = random.uniform(0.75, 1.35)  # of the dog: larger is lower
    hz, spacing = random.uniform(260, 520) / size, random.uniform(0.3, 0.55)
    start = random.uniform(0.02, 0.2)
    for _ in range(int(random.integers(1, 5))):
        length = random.uniform(0.1, 0.22)
        if start + length > CLIP_SECONDS:
            break
        one = _one_bark(hz * random.uniform(0.92, 1.08), size, length, rate, random)
        first = round(start * rate)
        audio[first : first + len(one)] += random.uniform(0.7, 1) * one[: len(audio) - first]
        start += spacing * random.uniform(0.9, 1.2)
    return _levelled(audio)


def horn(rate: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Synthesise one to three blasts of one car horn in a clip of `CLIP_SECONDS`, shape [samples]."""
    audio = _HISS * random.standard_normal(round(CLIP_SECONDS * rate))
    low = random.uniform(300, 480)
    reeds = (low, low * random.choice([1.19, 1.25, 1.26, 1.34]))
    body = np.array([random.uniform(900, 1400), random.uniform(2000, 2900), random.uniform(3500, 4800)])
    start = random.uniform(0.02, 0.2)
    for _ in range(int(random.integers(1, 4))):
        length = random.choice([random.uniform(0.12, 0.35), random.uniform(0.4, 1.2)])
        length = min(length, CLIP_SECONDS - 0.05 - start)
        if length < 0.08:
            break
        one = _one_horn(reeds, body, length, rate, random)
        first = round(start * rate)
        audio[first : first + len(one)] += one[: len(audio) - first]
        start += length + random.uniform(0.1, 0.35)
    return _levelled(audio)


def _one_bark(hz: float, size: float, length: float, rate: int, random: np.random.Generator) -> Floats:
    time = np.arange(round(length * rate)) / rate
    bend = 1 + 0.5 * np.sin(np.pi * (time / length) ** 0.7) - 0.35 * time / length
    knots = np.arange(0, length + _ROUGH_S, _ROUGH_S)
    rough = np.interp(time, knots, random.normal(1, 0.05, round(length / _ROUGH_S) + 2)[: len(knots)])
    phase = np.cumsum(hz * bend * rough / rate)
    pulses = np.maximum(0, np.cos(2 * np.pi * phase)) ** 8 - 0.12
    breath = 0.25 * random.standard_normal(len(time))
    envelope = np.minimum(1, time / 0.008) * np.exp(-3.5 * time / length) * np.minimum(1, (length - time) / 0.03)
    return _resonances((pulses + breath) * envelope, np.array([650, 1400, 2600, 4200, 6500]) / size, rate)


def _one_horn(
    reeds: tuple[float, float], body: Floats, length: float, rate: int, random: np.random.Generator
) -> Floats:
    time = np.arange(round(length * rate)) / rate
    rise = 1 - 0.06 * np.exp(-time / 0.02)  # the reeds rise to their pitch
    total = np.zeros(len(time))
    for hz in reeds:
        phase = 2 * np.pi * np.cumsum(hz * rise * (1 + 0.002 * random.standard_normal())) / rate
        harmonics = np.arange(1, int(min(14_000, 0.45 * rate) / hz))
        near = np.exp(-(((harmonics[:, None] * hz - body) / (0.25 * body)) ** 2)).sum(axis=1)
        levels = (0.3 + near) / harmonics**0.9
        for k, level in zip(harmonics, levels, strict=True):
            total += level * np.sin(k * phase)
    envelope = np.minimum(1, time / 0.015) * np.minimum(1, (length - time) / 0.025)
    return np.asarray(total * envelope + 0.02 * envelope * random.standard_normal(len(time)))


def _resonances(x: Floats, hz: Floats, rate: int) -> Floats:
    """Filter a sound by parallel resonances, higher ones weaker."""
    total = 0.2 * x
    for k, centre in enumerate(hz):
        radius = np.exp(-np.pi * (80 + 0.08 * centre) / rate)
        poles = [1.0, -2 * radius * np.cos(2 * np.pi * centre / rate), radius**2]
        total = total + 0.75**k * np.asarray(lfilter([1 - radius], poles, x))
    return np.asarray(total)


def _levelled(audio: Floats) -> NDArray[np.float32]:
    gain = 10 ** (_RMS_DB / 20) / np.sqrt(np.mean(audio**2))
    return np.asarray(audio * min(gain, 0.95 / np.abs(audio).max()), np.float32)
