"""Sounds for tests of transforms, and how far one spectrum is from another."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from export.format.card import Spectrum
from models.dsp.transforms.stft import STFT
from tests.music import render

RATE = 48_000
SPECTRUM = Spectrum(2048, 512)


def tones(seconds: float = 1.0) -> Tensor:
    """Three steady partials with vibrato above them, and an onset in the middle."""
    time = np.arange(round(seconds * RATE)) / RATE
    steady = sum(np.sin(2 * np.pi * hz * time) / k for k, hz in enumerate((311, 622, 2101), 1))
    vibrato = np.sin(2 * np.pi * 1200 * time + 8 * np.sin(2 * np.pi * 5 * time))
    struck = np.sin(2 * np.pi * 3500 * time) * np.exp(-20 * (time - seconds / 2)) * (time > seconds / 2)
    return torch.from_numpy((0.2 * (steady + vibrato + struck)).astype(np.float32))


def music(piece: str = "piano", seconds: float = 2.0) -> Tensor:
    """Some seconds of a piece, from its second one on."""
    return torch.from_numpy(np.array(render(piece)[0][RATE : RATE + round(seconds * RATE)]))


def spectral_convergence_db(audio: Tensor, magnitudes: Tensor, stft: STFT) -> float:
    """Energy of the difference of magnitudes over that of the wanted ones, dB."""
    error = torch.linalg.norm(stft(audio).abs() - magnitudes)
    return float(20 * torch.log10(error / torch.linalg.norm(magnitudes)))
