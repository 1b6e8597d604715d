"""What comes back of a sound without any network: the bound that a model of the same kind cannot do better than.

A ceiling analyses a sound and makes it again of what was analysed. What it loses, a model that makes the same from a
latent loses too.
"""

from __future__ import annotations

from collections.abc import Callable

from models.harmonics import resynthesis
from models.harmonics.synth import Synth
from models.inference.roundtrip import Floats, RoundTrip
from realtime.dsp.rtpghi import stft_magnitudes

Ceiling = Callable[[Floats, float | None], Floats]
"""Gives back audio [shape=(samples,)], mono at the model's rate; told its pitch as a MIDI note number where known."""


def ceilings(roundtrip: RoundTrip) -> dict[str, Ceiling]:
    """Give those of a model, by name."""
    found = dict([true_magnitudes(roundtrip)])
    told = {control.name for control in roundtrip.decode.controls}
    if roundtrip.decode.output == "audio" and {"pitch", "loudness"} <= told:
        found |= [harmonics_and_noise(roundtrip)]
    return found


def true_magnitudes(roundtrip: RoundTrip) -> tuple[str, Ceiling]:
    """Take the very magnitudes of a sound, in the model's own spectrum, and invert them as on stage."""
    shape = roundtrip.analysis

    def again(audio: Floats, _note: float | None) -> Floats:
        magnitudes = stft_magnitudes(audio, shape.n_fft, shape.hop, roundtrip.window)
        return roundtrip.inverted(magnitudes)[: len(audio)]

    return "true magnitudes", again


def harmonics_and_noise(roundtrip: RoundTrip) -> tuple[str, Ceiling]:
    """Take the very harmonics and noise of a note, and play them as a playable model plays its own."""
    synth = Synth(roundtrip.card.sample_rate, roundtrip.hop)
    return "harmonics and noise", lambda audio, note: resynthesis.resynthesise(audio, synth, note)
