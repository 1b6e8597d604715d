"""The frames that the playable model trains on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from models.data.manifest import DataError, Sound
from models.harmonics.analysis import SPECTRUM_EVERY, Partials
from models.playable.network import LOWEST_HARMONIC, LOWEST_NOISE, STRETCH_FLOOR, Drawn
from models.spectral.network import LN_10_OVER_20

ACTIVE_DBFS = -60.0
"""Quieter frames are neither trained on nor judged."""


@dataclass(frozen=True)
class Frames:
    """Frames with the pitch and the loudness [...] at which they sound."""

    drawn: Drawn
    pitch: Tensor
    loudness: Tensor


@dataclass(frozen=True)
class PartialStore:
    """All frames of some notes, one after the other.

    Attributes
    ----------
    harmonics : Tensor [shape=(frames, HARMONICS), float16]
    noise : Tensor [shape=(frames, BANDS), float16]
        Logarithms, under the frame's loudness.
    stretch, pitch, loudness : Tensor [shape=(frames,)]
    sound : Tensor [shape=(frames,), int64]
        Which of `sounds` a frame belongs to.
    active : Tensor [shape=(frames,), bool]
        Whether a frame is loud enough to count.
    spectrum : Tensor [shape=(heard, bins), float16]
        Log-magnitudes of some frames, and `heard`, [heard], says which.
    """

    sounds: tuple[Sound, ...]
    harmonics: Tensor
    noise: Tensor
    stretch: Tensor
    pitch: Tensor
    loudness: Tensor
    sound: Tensor
    active: Tensor
    spectrum: Tensor
    heard: Tensor

    @classmethod
    def of(cls, sounds: Sequence[Sound], found: Sequence[Partials]) -> PartialStore:
        """Lay what was found in notes one after the other.

        Raises
        ------
        DataError
            There are no notes, or nothing but silence in them.
        """
        if not sounds:
            raise DataError("There are no sounds in this split; make the manifest with another held-out fraction.")
        lengths = [len(each.pitch) for each in found]
        begins = np.cumsum([0, *lengths[:-1]])
        loudness = torch.from_numpy(np.concatenate([each.loudness for each in found]))
        level = (loudness * LN_10_OVER_20)[:, None]
        harmonics = torch.from_numpy(np.concatenate([each.harmonics for each in found])).float() - level
        noise = torch.from_numpy(np.concatenate([each.noise for each in found])).float() - level
        stretch = np.repeat([float(each.stretch) for each in found], lengths).astype(np.float32)
        heard = [
            begin + SPECTRUM_EVERY * np.arange(len(each.spectrum)) for begin, each in zip(begins, found, strict=True)
        ]
        store = cls(
            sounds=tuple(sounds),
            harmonics=harmonics.clamp(min=LOWEST_HARMONIC).half(),
            noise=noise.clamp(min=LOWEST_NOISE).half(),
            stretch=torch.log(torch.from_numpy(stretch) + STRETCH_FLOOR),
            pitch=torch.from_numpy(np.concatenate([each.pitch for each in found])),
            loudness=loudness,
            sound=torch.repeat_interleave(torch.arange(len(found)), torch.tensor(lengths)),
            active=loudness > ACTIVE_DBFS,
            spectrum=torch.from_numpy(np.concatenate([each.spectrum for each in found])),
            heard=torch.from_numpy(np.concatenate(heard)),
        )
        if not store.active.any():
            raise DataError("The sounds hold nothing but silence; give others.")
        return store

    def starts(self, length: int) -> Tensor:
        """Give the frames at which `length` active frames of one note begin, [starts].

        Raises
        ------
        DataError
            No note is that long.
        """
        if len(self.active) >= length:
            whole = np.asarray(sliding_window_view(self.active.numpy(), length).all(axis=1))
            same = self.sound[: len(whole)] == self.sound[length - 1 :]
            found = torch.from_numpy(np.flatnonzero(whole & same.numpy()))
            if len(found):
                return found
        raise DataError(f"No sound holds {length} frames in a row that are loud enough; give longer ones.")

    def take(self, index: Tensor, semitones: Tensor | float = 0.0) -> Frames:
        """Give frames by number [...], as if they were played so many semitones higher."""
        drawn = Drawn(self.harmonics[index].float(), self.noise[index].float(), self.stretch[index][..., None])
        return Frames(drawn, self.pitch[index] + semitones, self.loudness[index])
