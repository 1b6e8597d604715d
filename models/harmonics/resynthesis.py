"""Analysis and resynthesis without a network between them: the ceiling of what a playable model can reach."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from models.harmonics.analysis import FLOOR, Analysis, Partials, analyse
from models.harmonics.synth import Synth, render
from models.playable.network import STRETCH_FLOOR, audible, frequencies


def again(audio: NDArray[np.float32], synth: Synth, note: float | None) -> NDArray[np.float32]:
    """Take a note apart and put it together again, [samples] → [samples]."""
    found = analyse(audio, Analysis(synth.sample_rate, synth.hop), note)
    made = sounded(found, synth)
    return np.pad(made, (0, max(0, len(audio) - len(made))))[: len(audio)]


@torch.no_grad()
def sounded(found: Partials, synth: Synth) -> NDArray[np.float32]:
    """Play what was found in a note; sample 0 is that of frame 0."""
    stretch = torch.log(torch.tensor(float(found.stretch)) + STRETCH_FLOOR).reshape(1, 1)
    hz = frequencies(torch.from_numpy(found.pitch).double(), stretch).float()
    amplitude = (torch.exp(torch.from_numpy(found.harmonics).float()) - FLOOR).clamp(min=0)
    noise = torch.exp(torch.from_numpy(found.noise).float())
    made = render(synth, hz, amplitude * audible(hz, synth.sample_rate), noise)
    return np.asarray(made[synth.hop :].numpy(), np.float32)
