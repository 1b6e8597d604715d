"""The frames of a data set: log-magnitudes with pitch and loudness, and the batches that a step takes of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from models.data.features import Features
from models.data.manifest import Sound
from models.dsp.log_magnitude import LN_10_OVER_20, unit_energy, unit_gain, warp
from models.files.errors import DataError
from models.training.frame_vae.sound_segments import Draw

DYNAMIC_RANGE_DB = 80.0
"""Bins further below the loudest of their sound count as inaudible, dB."""

ACTIVE_DB = 60.0
"""Frames further below the loudest of their sound are left out of training and evaluation, dB."""

MIN_SHAPE = -11.5
"""Floor of log-magnitudes of unit energy: −100 dB."""


@dataclass(frozen=True)
class FrameStore:
    """All frames of some sounds, one after the other.

    Attributes
    ----------
    log_magnitude : Tensor [shape=(frames, bins), float16]
    pitch, loudness : Tensor [shape=(frames,)]
        MIDI note number and dBFS.
    floor : Tensor [shape=(frames,)]
        Log-magnitude below which the frame's sound is inaudible.
    sound : Tensor [shape=(frames,), int64]
        Index in `sounds`.
    active : Tensor [shape=(frames,), bool]
        Whether a frame is loud enough to count.
    """

    sounds: tuple[Sound, ...]
    log_magnitude: Tensor
    pitch: Tensor
    loudness: Tensor
    floor: Tensor
    sound: Tensor
    active: Tensor

    @classmethod
    def of(cls, sounds: Sequence[Sound], features: Sequence[Features]) -> FrameStore:
        """Concatenate the features of sounds.

        Parameters
        ----------
        sounds
            The sounds.
        features
            The features of each.

        Returns
        -------
        store : FrameStore

        Raises
        ------
        DataError
            There are no sounds, or nothing but silence in them.
        """
        if not sounds:
            raise DataError("There are no sounds in this split; make the manifest with another held-out fraction.")
        lengths = torch.tensor([len(f.pitch) for f in features])
        floors = [float(f.log_magnitude.max()) - DYNAMIC_RANGE_DB * LN_10_OVER_20 for f in features]
        loudest = torch.tensor([float(f.loudness.max()) for f in features])
        number = torch.repeat_interleave(torch.arange(len(features)), lengths)
        loudness = torch.from_numpy(np.concatenate([f.loudness for f in features]))
        store = cls(
            sounds=tuple(sounds),
            log_magnitude=torch.from_numpy(np.concatenate([f.log_magnitude for f in features])),
            pitch=torch.from_numpy(np.concatenate([f.pitch for f in features])),
            loudness=loudness,
            floor=torch.tensor(floors)[number],
            sound=number,
            active=(loudness > loudest[number] - ACTIVE_DB) & (loudness > -90.0),
        )
        if not store.active.any():
            raise DataError("The sounds hold nothing but silence; give others.")
        return store

    def take(self, index: Tensor) -> Batch:
        """Give frames unchanged: indices [...] → a batch of that shape."""
        return self.take_warped(index, torch.zeros(index.shape))

    def take_warped(self, index: Tensor, semitones: Tensor) -> Batch:
        """Give frames [...], shifted along frequency together with their pitch by `semitones` [...]."""
        return self._batch(self.log_magnitude[index].float(), self.pitch[index], self.loudness[index], index, semitones)

    def take_draw(self, draw: Draw) -> Batch:
        """Give the frames of a draw: interpolated where it is stretched, pitch-shifted, changed in level."""
        index, between = draw.index, draw.between
        log_magnitude = self.log_magnitude[index].float()  # [segments, frames, bins]
        pitch, loudness = self.pitch[index], self.loudness[index]
        if between is not None:
            after = index + 1
            log_magnitude = torch.lerp(log_magnitude, self.log_magnitude[after].float(), between[..., None])
            pitch = torch.lerp(pitch, self.pitch[after], between)
            loudness = torch.lerp(loudness, self.loudness[after], between)
        batch = self._batch(log_magnitude, pitch, loudness, index, draw.semitones)
        if draw.gain_db is None:
            return batch
        return replace(batch, loudness=batch.loudness + draw.gain_db)

    def _batch(self, log_magnitude: Tensor, pitch: Tensor, loudness: Tensor, index: Tensor, semitones: Tensor) -> Batch:
        if bool((semitones != 0).any()):
            log_magnitude = warp(log_magnitude, semitones)
        n_fft = 2 * (log_magnitude.shape[-1] - 1)
        level = loudness * LN_10_OVER_20 + math.log(unit_gain(n_fft))  # [...]
        return Batch(
            shape=unit_energy((log_magnitude - level[..., None]).clamp(min=MIN_SHAPE)),
            pitch=pitch + semitones,
            loudness=loudness,
            floor=(self.floor[index] - level)[..., None],
        )


@dataclass(frozen=True)
class Batch:
    """Frames, ready for the network.

    Attributes
    ----------
    shape : Tensor [shape=(..., bins)]
        Log-magnitudes of unit energy.
    pitch, loudness : Tensor [shape=(...,)]
    floor : Tensor [shape=(..., 1)]
        Log-magnitude below which the sound is inaudible.
    """

    shape: Tensor
    pitch: Tensor
    loudness: Tensor
    floor: Tensor

    def to(self, device: torch.device) -> Batch:
        """Move the batch to a device."""
        return Batch(*(value.to(device) for value in (self.shape, self.pitch, self.loudness, self.floor)))


def add_hiss(shape: Tensor, hiss: Tensor | None) -> Tensor:
    """Add noise to log-magnitudes of unit energy, and scale the sum to unit energy.

    The phase of the noise is random, so the sound can be taken as real: |S + N|² = (S + Re N)² + (Im N)².

    Parameters
    ----------
    shape : Tensor [shape=(..., bins)]
    hiss : Tensor [shape=(..., bins, 2)], optional
        Real and imaginary part of the noise; None adds none.

    Returns
    -------
    Tensor [shape=(..., bins)]
    """
    if hiss is None:
        return shape
    power = (torch.exp(shape) + hiss[..., 0]) ** 2 + hiss[..., 1] ** 2
    return unit_energy(0.5 * torch.log(power + math.exp(2 * MIN_SHAPE)))
