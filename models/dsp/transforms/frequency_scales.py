"""Frequency scales: edges of bands.

The scales return edges for `models.dsp.transforms.nsgt`: the frequencies of all bands in order, with one step beyond
the first and the last. Frequencies below the first edge form one more band, and those above the last another.
"""

from __future__ import annotations

import math

import numpy as np

from export.format.mel_scale import Frequencies, hz_to_mel, mel_to_hz
from models.dsp.transforms.transform_base import TransformError


def octaves(low_hz: float, high_hz: float, per_octave: int) -> Frequencies:
    """Place `per_octave` bands per octave from `low_hz` up to `high_hz`, all of one Q; twelve are semitones.

    Returns
    -------
    np.ndarray [shape=(bands + 2,)]
        Edges, Hz.

    Raises
    ------
    TransformError
        The range or the number of bands is impossible.
    """
    if per_octave < 1:
        raise TransformError(f"An octave cannot have {per_octave} bands; give 1 or more.")
    _check(low_hz, high_hz, 2)
    steps = math.floor(per_octave * math.log2(high_hz / low_hz) + 1e-9)
    return np.asarray(low_hz * 2.0 ** (np.arange(-1, steps + 2) / per_octave))


def constant_q(low_hz: float, high_hz: float, bands: int) -> Frequencies:
    """Place `bands` bands of one Q evenly from `low_hz` to `high_hz`; edges in Hz [shape=(bands + 2,)]."""
    _check(low_hz, high_hz, bands)
    step = math.log(high_hz / low_hz) / (bands - 1)
    return np.asarray(low_hz * np.exp(step * np.arange(-1, bands + 1)))


def mels(low_hz: float, high_hz: float, bands: int, *, htk: bool = False) -> Frequencies:
    """Place `bands` bands evenly in mel from `low_hz` to `high_hz`; edges in Hz [shape=(bands + 2,)]."""
    _check(low_hz, high_hz, bands)
    first, last = hz_to_mel([low_hz, high_hz], htk=htk)
    return _from_zero(mel_to_hz(_evenly(first, last, bands), htk=htk))


def barks(low_hz: float, high_hz: float, bands: int) -> Frequencies:
    """Place bands evenly on the Bark scale.

    Source: H. Traunmüller, "Analytical expressions for the tonotopic sensory scale", JASA 88, 1990.

    Parameters
    ----------
    low_hz, high_hz
        Centres of the first and the last band, Hz.
    bands
        Number of bands.

    Returns
    -------
    edges : np.ndarray [shape=(bands + 2,)]
        Hz, rising; band k reaches from edge k to edge k + 2.
    """
    _check(low_hz, high_hz, bands)
    first, last = (26.81 * hz / (1960.0 + hz) - 0.53 for hz in (low_hz, high_hz))
    bark = np.minimum(_evenly(first, last, bands), 26.2)  # the limit for infinite frequency is 26.28
    return _from_zero(1960.0 * (bark + 0.53) / (26.28 - bark))


def _evenly(first: float, last: float, bands: int) -> Frequencies:
    """Even steps from first to last, and one beyond each."""
    step = (last - first) / (bands - 1)
    return np.asarray(first + step * np.arange(-1, bands + 1))


def _from_zero(hz: Frequencies) -> Frequencies:
    return np.maximum(hz, 0.0)


def _check(low_hz: float, high_hz: float, bands: int) -> None:
    if not 0 < low_hz < high_hz:
        raise TransformError(
            f"A scale from {low_hz:g} to {high_hz:g} Hz has no bands; give two rising numbers above 0."
        )
    if bands < 2:
        raise TransformError(f"A scale cannot have {bands} bands; give at least 2.")
