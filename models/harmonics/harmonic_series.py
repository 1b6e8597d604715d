"""The harmonic series of a note: stretched by inharmonicity, and limited to what is below the Nyquist frequency."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from models.harmonics.analysis import HARMONICS, TOP_HZ

STRETCH_FLOOR = 1e-5
MAX_STRETCH = 3e-3
_FADE_HZ = 500.0


def frequencies(pitch: Tensor, stretch: Tensor) -> Tensor:
    """Frequencies of the harmonics, k f0 sqrt(1 + B k²).

    Source: Fletcher, "Normal Vibration Frequencies of a Stiff Piano String" (1964).

    Parameters
    ----------
    pitch : Tensor [shape=(...,)]
        MIDI note numbers.
    stretch : Tensor [shape=(..., 1)]
        log(B + STRETCH_FLOOR); B is limited to 0 to MAX_STRETCH.

    Returns
    -------
    Tensor [shape=(..., HARMONICS)]
        Hz.
    """
    f0 = 440.0 * torch.exp((pitch[..., None] - 69.0) * (math.log(2) / 12))  # [..., 1]
    k = torch.arange(1, HARMONICS + 1, dtype=f0.dtype, device=f0.device)
    inharmonicity = (torch.exp(stretch.to(f0.dtype)) - STRETCH_FLOOR).clamp(0.0, MAX_STRETCH)
    return f0 * k * torch.sqrt(1 + inharmonicity * k**2)


def audible(hz: Tensor, sample_rate: int) -> Tensor:
    """Compute the gain of an oscillator: 1, falling to 0 over the 500 Hz below the limit of aliasing and hearing."""
    return ((min(TOP_HZ, 0.46 * sample_rate) - hz) / _FADE_HZ).clamp(0.0, 1.0)
