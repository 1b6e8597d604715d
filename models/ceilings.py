"""What comes back of a sound without any network: the bound that a model of the same kind cannot do better than.

A ceiling analyses a sound and makes it again of what was analysed. What it loses, a model that makes the same from a
latent loses too.
"""

from __future__ import annotations

from collections.abc import Callable

from models.roundtrip import Floats, RoundTrip
from realtime.phase import stft_magnitudes

Ceiling = Callable[[Floats, float | None], Floats]
"""Gives back audio [shape=(samples,)], mono at the model's rate; told its pitch as a MIDI note number where known."""


def true_magnitudes(roundtrip: RoundTrip) -> tuple[str, Ceiling]:
    """Take the very magnitudes of a sound, in the model's own spectrum, and invert them as on stage."""
    shape = roundtrip.analysis

    def again(audio: Floats, _note: float | None) -> Floats:
        magnitudes = stft_magnitudes(audio, shape.n_fft, shape.hop, roundtrip.window)
        return roundtrip.inverted(magnitudes)[: len(audio)]

    return "true magnitudes", again
