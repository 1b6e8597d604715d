"""The frames of a data set of notes: harmonics, noise, stretch, pitch and loudness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.data.manifest import Sound
from models.dsp.log_magnitude import LN_10_OVER_20
from models.files.errors import DataError
from models.harmonics.analysis import SPECTRUM_EVERY, Partials
from models.harmonics.harmonic_series import STRETCH_FLOOR
from models.playable_vae.network import MIN_HARMONIC, MIN_NOISE, Drawn

ACTIVE_DBFS = -60.0
"""Quieter frames are left out of training and evaluation, dBFS."""


@dataclass(frozen=True)
class Frames:
    """Frames with their pitch (MIDI note numbers) and loudness (dBFS), [...] each."""

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
        Logarithms relative to the frame's loudness, nepers.
    stretch, pitch, loudness : Tensor [shape=(frames,)]
    sound : Tensor [shape=(frames,), int64]
        Index in `sounds`.
    active : Tensor [shape=(frames,), bool]
        Whether a frame is loud enough to count.
    spectrum : Tensor [shape=(spectra, bins), float16]
        Log-magnitudes of some frames.
    spectrum_frame : Tensor [shape=(spectra,), int64]
        The index of each of these frames.
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
    spectrum_frame: Tensor

    @classmethod
    def of(cls, sounds: Sequence[Sound], found: Sequence[Partials]) -> PartialStore:
        """Concatenate the analyses of notes.

        Parameters
        ----------
        sounds
            The notes.
        found
            The analysis of each.

        Returns
        -------
        store : PartialStore

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
        spectrum_frame = [
            begin + SPECTRUM_EVERY * np.arange(len(each.spectrum)) for begin, each in zip(begins, found, strict=True)
        ]
        store = cls(
            sounds=tuple(sounds),
            harmonics=harmonics.clamp(min=MIN_HARMONIC).half(),
            noise=noise.clamp(min=MIN_NOISE).half(),
            stretch=torch.log(torch.from_numpy(stretch) + STRETCH_FLOOR),
            pitch=torch.from_numpy(np.concatenate([each.pitch for each in found])),
            loudness=loudness,
            sound=torch.repeat_interleave(torch.arange(len(found)), torch.tensor(lengths)),
            active=loudness > ACTIVE_DBFS,
            spectrum=torch.from_numpy(np.concatenate([each.spectrum for each in found])),
            spectrum_frame=torch.from_numpy(np.concatenate(spectrum_frame)),
        )
        if not store.active.any():
            raise DataError("The sounds hold nothing but silence; give others.")
        return store

    def take(self, index: Tensor, semitones: Tensor | float = 0.0) -> Frames:
        """Give the frames of indices [...], with their pitch raised by `semitones`."""
        drawn = Drawn(self.harmonics[index].float(), self.noise[index].float(), self.stretch[index][..., None])
        return Frames(drawn, self.pitch[index] + semitones, self.loudness[index])
