"""Ceilings: analysis and resynthesis without a network, the best result that a model of the same kind can reach.

A model that generates the same representation from a latent loses at least as much as its ceiling.
"""

from __future__ import annotations

from collections.abc import Callable

from models.encoding.roundtrip import Floats, RoundTrip
from models.harmonics import resynthesis
from models.harmonics.synth import Synth
from realtime.dsp.rtpghi import stft_magnitudes

Ceiling = Callable[[Floats, float | None], Floats]
"""Takes audio [shape=(samples,)], mono at the model's rate, and its MIDI note number if known; returns audio."""


def ceilings(roundtrip: RoundTrip) -> dict[str, Ceiling]:
    """Return the ceilings of a model, by name."""
    found = dict([true_magnitudes(roundtrip)])
    controls = {control.name for control in roundtrip.decode.controls}
    if roundtrip.decode.output == "audio" and {"pitch", "loudness"} <= controls:
        found |= [harmonics_and_noise(roundtrip)]
    return found


def true_magnitudes(roundtrip: RoundTrip) -> tuple[str, Ceiling]:
    """Return the ceiling that inverts the magnitudes of the original, in the model's spectrum, as on stage."""
    shape = roundtrip.analysis

    def resynthesise(audio: Floats, _note: float | None) -> Floats:
        magnitudes = stft_magnitudes(audio, shape.n_fft, shape.hop, roundtrip.window)
        return roundtrip.inverted(magnitudes)[: len(audio)]

    return "true magnitudes", resynthesise


def harmonics_and_noise(roundtrip: RoundTrip) -> tuple[str, Ceiling]:
    """Return the ceiling that resynthesises the harmonics and noise of the original, as playable models do."""
    synth = Synth(roundtrip.card.sample_rate, roundtrip.hop)
    return "harmonics and noise", lambda audio, note: resynthesis.resynthesise(audio, synth, note)
