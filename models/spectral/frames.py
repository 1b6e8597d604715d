"""The frames that a model trains on, and the batches that they come in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor
from torch.utils.data import IterableDataset

from models.data.features import Features
from models.data.manifest import DataError, Sound
from models.spectral.network import LN_10_OVER_20, unit_energy, unit_gain, warp

DYNAMIC_RANGE_DB = 80.0
"""What lies further below the loudest bin of its sound is not heard."""

ACTIVE_DB = 60.0
"""Frames further below the loudest of their sound are neither trained on nor judged."""

LOWEST_SHAPE = -11.5
"""Floor of log-magnitudes of unit energy: −100 dB."""

HISS_RANGE_DB = 40.0
"""How much softer than the loudest the noise may be that the encoder hears."""


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
        return self._batch(self.log_magnitude[index].float(), self.pitch[index], self.loudness[index], index, semitones)

    def take_drawn(self, draw: Draw) -> Batch:
        """Give what a step is drawn from: between frames where it is stretched, warped, louder or softer."""
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
            shape=unit_energy((log_magnitude - level[..., None]).clamp(min=LOWEST_SHAPE)),
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
    between : Tensor [shape=(segments, frames)], optional
        How far each frame lies on the way to the next, 0 to 1.
    gain_db : Tensor [shape=(segments, frames)], optional
        By how much each segment is louder.
    hiss : Tensor [shape=(segments, frames, bins, 2)], optional
        What the encoder hears beside the sound: real and imaginary part, for a sound of unit energy.
    """

    index: Tensor
    semitones: Tensor
    noise: Tensor
    between: Tensor | None = None
    gain_db: Tensor | None = None
    hiss: Tensor | None = None


class Draws(IterableDataset[Draw]):
    """Draws without end. Draw number k depends on the seed, k and the device's rank alone, so a training that is
    resumed at step k goes on as if it had never stopped.

    Parameters
    ----------
    starts
        Frames at which `span(length, stretch)` frames may be taken.
    segments, length, latent
        Pieces a draw, frames a piece, and latents.
    warp_semitones, gain_db, stretch, noise_db
        How much pieces are changed; see `models.spectral.settings.TrainConfig`.
    bins
        Magnitudes in a frame, for noise.
    seed
        Seed of all draws.
    """

    def __init__(
        self,
        starts: Tensor,
        *,
        segments: int,
        length: int,
        latent: int,
        warp_semitones: float,
        seed: int,
        gain_db: float = 0.0,
        stretch: float = 1.0,
        noise_db: float | None = None,
        bins: int = 0,
    ) -> None:
        self.starts = starts
        self.segments = segments
        self.length = length
        self.latent = latent
        self.warp_semitones = warp_semitones
        self.gain_db = gain_db
        self.stretch = stretch
        self.noise_db = noise_db
        self.bins = bins
        self.seed = seed
        self.rank = 0
        self.first = 0

    def draw(self, number: int) -> Draw:
        """Make one draw."""
        seed = np.random.SeedSequence([self.seed, self.rank, number]).generate_state(1, np.uint64)[0]
        random = torch.Generator().manual_seed(int(seed >> np.uint64(1)))
        start = self.starts[torch.randint(0, len(self.starts), (self.segments,), generator=random)]
        semitones = (2 * torch.rand(self.segments, 1, generator=random) - 1) * self.warp_semitones
        noise = torch.randn(self.segments, self.length, self.latent, generator=random)
        # What is asked for seldom comes last, so that it changes nothing of the rest.
        step = torch.ones(self.segments, 1)
        if self.stretch > 1:
            step = self.stretch ** (2 * torch.rand(self.segments, 1, generator=random) - 1)
        place = torch.arange(self.length) * step  # [segments, frames]
        gain_db = None
        if self.gain_db:
            gain_db = (2 * torch.rand(self.segments, 1, generator=random) - 1) * self.gain_db
        return Draw(
            index=start[:, None] + place.floor().long(),
            semitones=semitones.expand(-1, self.length),
            noise=noise,
            between=place.frac() if self.stretch > 1 else None,
            gain_db=None if gain_db is None else gain_db.expand(-1, self.length),
            hiss=None if self.noise_db is None else self._hiss(self.noise_db, random),
        )

    def _hiss(self, loudest_db: float, random: torch.Generator) -> Tensor:
        """Draw white noise, in each piece of another level, as the bins of a spectrum hear it."""
        level_db = loudest_db - HISS_RANGE_DB * torch.rand(self.segments, generator=random)  # [segments]
        # Of unit energy, half of the two-sided spectrum sums to 1; the halves of a bin share its power.
        deviation = torch.exp(level_db * LN_10_OVER_20) / math.sqrt(2 * (self.bins - 1))
        drawn = torch.randn(self.segments, self.length, self.bins, 2, generator=random)
        return drawn * deviation[:, None, None, None]

    def __iter__(self) -> Iterator[Draw]:
        number = self.first
        while True:
            yield self.draw(number)
            number += 1


def span(length: int, stretch: float) -> int:
    """Give the frames of which a piece of so many may be made when it is played faster."""
    return length if stretch <= 1 else math.ceil((length - 1) * stretch) + 2


def hear(shape: Tensor, hiss: Tensor | None) -> Tensor:
    """Put noise beside log-magnitudes of unit energy [..., bins], and bring them to unit energy again.

    A sound's phase doesn't matter to noise that has every phase, so the sound is taken as real:
    |S + N|² = (S + Re N)² + (Im N)².
    """
    if hiss is None:
        return shape
    power = (torch.exp(shape) + hiss[..., 0]) ** 2 + hiss[..., 1] ** 2
    return unit_energy(0.5 * torch.log(power + math.exp(2 * LOWEST_SHAPE)))
