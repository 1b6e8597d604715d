"""Segments of analysed sounds as training data: which frames a step sees, with all of its random numbers.

A frame store keeps all frames of some sounds, one after the other. A step sees `segments` pieces of `length`
neighbouring frames of one sound each. Draw number k depends on the seed, k and the device's rank alone, so a training
that is resumed at step k continues as if it had never stopped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import lightning as L
import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from models.dsp.log_magnitude import LN_10_OVER_20
from models.files.errors import DataError
from models.training.seeding import generator_for

HISS_RANGE_DB = 40.0
"""How far the noise in the encoder's input may lie below its loudest, dB."""


class FrameStore(Protocol):
    """The frames of some sounds, one after the other."""

    @property
    def active(self) -> Tensor:
        """Whether each frame is loud enough to count: [frames], bool."""

    @property
    def sound(self) -> Tensor:
        """The index of the sound that each frame belongs to: [frames], int64."""


S = TypeVar("S", bound=FrameStore)


@dataclass(frozen=True)
class Draw:
    """The frames of a training step, and all that is random in it.

    Attributes
    ----------
    index : Tensor [shape=(segments, frames), int64]
    semitones : Tensor [shape=(segments, frames)]
        Pitch shift of each segment.
    noise : Tensor [shape=(segments, frames, latent)]
        Standard normal, for the latent.
    between : Tensor [shape=(segments, frames)], optional
        Position of each frame on the way to the next one, 0 to 1, where segments are stretched in time.
    gain_db : Tensor [shape=(segments, frames)], optional
        Change of level of each segment, dB.
    hiss : Tensor [shape=(segments, frames, bins, 2)], optional
        Noise that is added to the encoder's input: real and imaginary part, for a sound of unit energy.
    """

    index: Tensor
    semitones: Tensor
    noise: Tensor
    between: Tensor | None = None
    gain_db: Tensor | None = None
    hiss: Tensor | None = None


class SegmentSampler(IterableDataset[Draw]):
    """Endless draws of segments.

    Parameters
    ----------
    starts : Tensor [shape=(starts,), int64]
        Frames at which `span(length, stretch)` frames may be taken.
    segments, length, latent
        Segments a draw, frames a segment, and latent dimensions.
    warp_semitones, gain_db, stretch, noise_db
        How much segments are changed; see `models.spectral_vae.settings.TrainConfig`.
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
        """Make draw `number`, counted from 0."""
        random = generator_for(self.seed, self.rank, number)
        start = self.starts[torch.randint(0, len(self.starts), (self.segments,), generator=random)]
        semitones = (2 * torch.rand(self.segments, 1, generator=random) - 1) * self.warp_semitones
        noise = torch.randn(self.segments, self.length, self.latent, generator=random)
        # Options that are off by default draw last, so that they leave the other numbers as they are.
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
        """Draw white noise as complex bins [segments, length, bins, 2], at a level of its own in each segment."""
        level_db = loudest_db - HISS_RANGE_DB * torch.rand(self.segments, generator=random)  # [segments]
        # Half of the two-sided spectrum sums to 1 at unit energy; the two parts of a bin share its power.
        deviation = torch.exp(level_db * LN_10_OVER_20) / math.sqrt(2 * (self.bins - 1))
        drawn = torch.randn(self.segments, self.length, self.bins, 2, generator=random)
        return drawn * deviation[:, None, None, None]

    def __iter__(self) -> Iterator[Draw]:
        number = self.first
        while True:
            yield self.draw(number)
            number += 1


class SegmentData(L.LightningDataModule, Generic[S]):
    """Draws of segments from the training sounds, and an even choice of held-out frames for evaluation.

    Parameters
    ----------
    train, held_out
        Frames to train on, and to evaluate on.
    sampler
        Draws from `train`.
    evaluated_frames, part
        How many held-out frames an evaluation sees, and how many of them at a time.
    """

    def __init__(self, train: S, held_out: S, sampler: SegmentSampler, *, evaluated_frames: int, part: int) -> None:
        super().__init__()
        self.train, self.held_out, self.sampler = train, held_out, sampler
        self._evaluated_frames, self._part = evaluated_frames, part

    def train_dataloader(self) -> DataLoader[Draw]:
        """Give the draws from the current step on."""
        assert self.trainer is not None
        self.sampler.first = self.trainer.global_step
        self.sampler.rank = self.trainer.global_rank
        return DataLoader(self.sampler, batch_size=None)

    def val_dataloader(self) -> DataLoader[Any]:
        """Give the indices of the frames to evaluate on."""
        parts: Any = self.evaluation_parts()
        return DataLoader(parts, batch_size=None)

    def evaluation_parts(self) -> tuple[Tensor, ...]:
        """Choose the held-out frames to evaluate on: index tensors [up to `part`]."""
        return torch.split(evenly_spaced(self.held_out, self._evaluated_frames), self._part)


def evenly_spaced(store: FrameStore, count: int) -> Tensor:
    """Choose up to `count` active frames of a store, spread evenly: [count], int64."""
    active = np.flatnonzero(store.active.numpy())
    return torch.from_numpy(active[np.linspace(0, len(active) - 1, min(count, len(active))).astype(np.int64)])


def segment_starts(store: FrameStore, length: int) -> Tensor:
    """Find the frames where `length` active frames of one sound begin.

    Parameters
    ----------
    store
        The frames.
    length
        Frames of a segment.

    Returns
    -------
    starts : Tensor [shape=(starts,), int64]
        Indices of frames, rising.

    Raises
    ------
    DataError
        No sound has that many active frames in a row.
    """
    if len(store.active) < length:
        raise DataError(f"The sounds are shorter than {length} frames; give longer ones.")
    whole = np.asarray(sliding_window_view(store.active.numpy(), length).all(axis=1))
    same = store.sound[: len(whole)] == store.sound[length - 1 :]
    found = torch.from_numpy(np.flatnonzero(whole & same.numpy()))
    if not len(found):
        raise DataError(f"No sound holds {length} frames in a row that are loud enough; give longer ones.")
    return found


def span(length: int, stretch: float) -> int:
    """Give the number of frames that a segment of `length` frames may cover when it is played faster."""
    return length if stretch <= 1 else math.ceil((length - 1) * stretch) + 2
