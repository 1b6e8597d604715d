"""Analysis and resynthesis without a network in between: the ceiling of a playable model."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from models.harmonics.analysis import FLOOR, Analysis, Partials, analyse
from models.harmonics.harmonic_series import STRETCH_FLOOR, audible, frequencies
from models.harmonics.synth import Synth, render


def resynthesise(audio: NDArray[np.float32], synth: Synth, note: float | None) -> NDArray[np.float32]:
    """Analyse a note and synthesise it from its analysis, [samples] → [samples]."""
    found = analyse(audio, Analysis(synth.sample_rate, synth.hop), note)
    made = play(found, synth)
    return np.pad(made, (0, max(0, len(audio) - len(made))))[: len(audio)]


@torch.no_grad()
def play(found: Partials, synth: Synth) -> NDArray[np.float32]:
    """Synthesise a note from its analysis: audio [samples], beginning at the centre of frame 0."""
    stretch = torch.log(torch.tensor(float(found.stretch)) + STRETCH_FLOOR).reshape(1, 1)
    hz = frequencies(torch.from_numpy(found.pitch).double(), stretch).float()
    amplitude = (torch.exp(torch.from_numpy(found.harmonics).float()) - FLOOR).clamp(min=0)
    noise = torch.exp(torch.from_numpy(found.noise).float())
    made = render(synth, hz, amplitude * audible(hz, synth.sample_rate), noise)
    return np.asarray(made[synth.hop :].numpy(), np.float32)
