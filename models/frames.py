"""The frames that a model trains on, and the batches that they come in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor
from torch.utils.data import IterableDataset

from models.data.manifest import DataError, Sound
from models.features import Features
from models.spectral import LN_10_OVER_20, unit_energy, unit_gain, warp

DYNAMIC_RANGE_DB = 80.0
"""What lies further below the loudest bin of its sound is not heard."""

ACTIVE_DB = 60.0
"""Frames further below the loudest of their sound are neither trained on nor judged."""

LOWEST_SHAPE = -11.5
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
        Log-magnitude below which the frame's sound isn't heard.
    sound : Tensor [shape=(frames,), int64]
        Which of `sounds` a frame belongs to.
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
        """Lay the features of sounds one after the other.

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

    def starts(self, length: int) -> Tensor:
        """Give the frames at which `length` active frames of one sound begin, [starts].

        Raises
        ------
        DataError
            No sound is that long.
        """
        if len(self.active) < length:
            raise DataError(f"The sounds are shorter than {length} frames; give longer ones.")
        whole = np.asarray(sliding_window_view(self.active.numpy(), length).all(axis=1))
        same = self.sound[: len(whole)] == self.sound[length - 1 :]
        found = torch.from_numpy(np.flatnonzero(whole & same.numpy()))
        if not len(found):
            raise DataError(f"No sound holds {length} frames in a row that are loud enough; give longer ones.")
        return found

    def take(self, index: Tensor) -> Batch:
        """Give frames by number, as they are: [...] → a batch of that shape."""
        return self.take_warped(index, torch.zeros(index.shape))

    def take_warped(self, index: Tensor, semitones: Tensor) -> Batch:
        """Give frames by number, moved along frequency by `semitones` [...], pitch and all."""
        log_magnitude = self.log_magnitude[index].float()  # [..., bins]
        if bool((semitones != 0).any()):
            log_magnitude = warp(log_magnitude, semitones)
        loudness = self.loudness[index]
        n_fft = 2 * (log_magnitude.shape[-1] - 1)
        level = loudness * LN_10_OVER_20 + math.log(unit_gain(n_fft))  # [...]
        return Batch(
            shape=unit_energy((log_magnitude - level[..., None]).clamp(min=LOWEST_SHAPE)),
            pitch=self.pitch[index] + semitones,
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
        What lies below isn't heard.
    """

    shape: Tensor
    pitch: Tensor
    loudness: Tensor
    floor: Tensor

    def to(self, device: torch.device) -> Batch:
        """Move it to a device."""
        return Batch(*(value.to(device) for value in (self.shape, self.pitch, self.loudness, self.floor)))


@dataclass(frozen=True)
class Draw:
    """What a training step is drawn from, and all that is random in it.

    Attributes
    ----------
    index : Tensor [shape=(segments, frames), int64]
    semitones : Tensor [shape=(segments, frames)]
        By how much each segment is warped.
    noise : Tensor [shape=(segments, frames, latent)]
    """

    index: Tensor
    semitones: Tensor
    noise: Tensor


class Draws(IterableDataset[Draw]):
    """Draws without end. Draw number k depends on the seed, k and the device's rank alone, so a training that is
    resumed at step k goes on as if it had never stopped.
    """

    def __init__(
        self, starts: Tensor, *, segments: int, length: int, latent: int, warp_semitones: float, seed: int
    ) -> None:
        self.starts = starts
        self.segments = segments
        self.length = length
        self.latent = latent
        self.warp_semitones = warp_semitones
        self.seed = seed
        self.rank = 0
        self.first = 0

    def draw(self, number: int) -> Draw:
        """Make one draw."""
        seed = np.random.SeedSequence([self.seed, self.rank, number]).generate_state(1, np.uint64)[0]
        random = torch.Generator().manual_seed(int(seed >> np.uint64(1)))
        start = self.starts[torch.randint(0, len(self.starts), (self.segments,), generator=random)]
        semitones = (2 * torch.rand(self.segments, 1, generator=random) - 1) * self.warp_semitones
        return Draw(
            index=start[:, None] + torch.arange(self.length),
            semitones=semitones.expand(-1, self.length),
            noise=torch.randn(self.segments, self.length, self.latent, generator=random),
        )

    def __iter__(self) -> Iterator[Draw]:
        number = self.first
        while True:
            yield self.draw(number)
            number += 1
