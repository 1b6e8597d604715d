"""An endless generator led through its latents, outside the stage: spectra of a walk, and their sound."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.dcgan.endless import EndlessGenerator, led
from models.dsp.log_mel import LogMel
from realtime.dsp.mel_inversion import MelInverter
from realtime.latent.walk import Walk

SPEED, RADIUS = 0.5, 1.0


def stroll(latent: int, scale: LogMel, seconds: float, *, seed: int = 1, speed: float = SPEED) -> Tensor:
    """Walk as on stage, [1, latent, frames]."""
    rate = scale.sample_rate / scale.hop
    walk = Walk(latent, rate, seed)
    way = [walk.next(speed, RADIUS) for _ in range(max(1, round(seconds * rate)))]
    return torch.from_numpy(np.stack(way, axis=1).astype(np.float32))[None]


def spectrum_of(generator: nn.Module, way: Tensor) -> Tensor:
    """Make the spectrum of a way [1, latent, frames] in one piece, [128, frames]."""
    assert isinstance(generator, EndlessGenerator)
    return led(generator, way)[0]


def sounding(spectrum: Tensor, scale: LogMel) -> NDArray[np.float32]:
    """Give the sound of a spectrum [128, frames] from -1 to 1, as it would be heard on stage [shape=(samples,)]."""
    inverter = MelInverter(scale.weights.numpy(), scale.n_fft, scale.hop)
    power = torch.exp(scale.to_log_power(spectrum)).numpy()
    return np.asarray(inverter.push(power), np.float32)
