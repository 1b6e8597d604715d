"""Spectra of a domain, computed once and cached, and the batches that training draws from them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset

from export.streaming.layer_base import whole_signals
from models.data.features import load_sound
from models.data.manifest import Manifest, Split
from models.dsp.log_mel import LogMel, LogMelAnalysis
from models.files.atomic import write_whole
from models.files.errors import DataError
from models.travelgan.settings import TravelSettings

_VERSION = 1
MIN_SHARE = 4
"""At least a quarter of a training spectrogram is sound; frames beyond its end are masked."""


@dataclass(frozen=True)
class Spectra:
    """Spectrograms [bands, frames] of a domain, from -1 to 1, and their names."""

    values: tuple[Tensor, ...]
    names: tuple[str, ...]

    def window(self, sound: int, start: int, frames: int) -> tuple[Tensor, Tensor]:
        """Cut a piece [bands, frames] out of a sound, padded with silence; its mask [1, frames] is 0 in the padding."""
        piece = self.values[sound][:, start : start + frames]
        missing = frames - piece.shape[1]
        mask = torch.ones(1, frames)
        mask[:, piece.shape[1] :] = 0
        return torch.nn.functional.pad(piece, (0, missing), value=-1.0), mask


def of_split(
    sounds: Manifest,
    split: Split,
    scale: LogMel,
    cache: Path,
    on_sound: Callable[[int, int], None] = lambda done, total: None,
) -> Spectra:
    """Compute the spectra of one split of a domain, or read them from the cache.

    Parameters
    ----------
    sounds, split
        The domain and its split.
    scale
        The scale of the spectrograms.
    cache
        Folder for files, one for each split, named by a hash of sounds and scale.
    on_sound
        Called after each sound that is analysed with how many are done and how many there are.

    Returns
    -------
    spectra : Spectra
        In the order of the manifest.

    Raises
    ------
    DataError
        The split is empty, or a sound cannot be read.
    """
    chosen = sounds.of_split(split)
    if not chosen:
        raise DataError(f"The domain '{sounds.source.name}' has no sounds of the split '{split}'; give it more files.")
    names = tuple(sound.path if sound.start is None else f"{sound.path} {sound.start:.1f} s" for sound in chosen)
    digest = hashlib.sha256(repr((_VERSION, asdict(scale))).encode())
    for sound in chosen:
        digest.update(repr((sound.start, sound.seconds)).encode())
        digest.update(hashlib.sha256(sounds.path_of(sound).read_bytes()).digest())
    kept = cache / f"{digest.hexdigest()[:24]}.npz"
    if kept.is_file():
        with np.load(kept) as file:
            return Spectra(tuple(_opened(file[str(k)]) for k in range(len(chosen))), names)
    made = []
    analysis = LogMelAnalysis(scale)
    for done, sound in enumerate(chosen, 1):
        made.append(spectrogram(load_sound(sounds, sound, scale.sample_rate), analysis).numpy().astype(np.float16))
        on_sound(done, len(chosen))
    content = io.BytesIO()
    np.savez(content, **{str(k): value for k, value in enumerate(made)})  # type: ignore[arg-type]
    write_whole(kept, content.getvalue())
    return Spectra(tuple(_opened(value) for value in made), names)


@torch.no_grad()
def spectrogram(audio: NDArray[np.float32], analysis: LogMelAnalysis) -> Tensor:
    """Compute the spectrogram [bands, frames] of audio [samples], padded with silence to whole steps."""
    filled = np.pad(audio, (0, -len(audio) % analysis.takes))
    with whole_signals(analysis):
        made: Tensor = analysis(torch.from_numpy(filled)[None, None])[0]
    return made


@dataclass(frozen=True)
class Batch:
    """Spectra [batch, bands, frames] of both domains with their masks [batch, 1, frames], and a seed for noise."""

    source: Tensor
    source_mask: Tensor
    target: Tensor
    target_mask: Tensor
    seed: int

    def portions(self, size: int) -> Iterator[Batch]:
        """Split the batch into parts of `size` spectra."""
        fields = (self.source, self.source_mask, self.target, self.target_mask)
        parts = zip(*(torch.split(value, size) for value in fields), strict=True)
        for number, (source, source_mask, target, target_mask) in enumerate(parts):
            yield Batch(source, source_mask, target, target_mask, self.seed + number)


class Draws(IterableDataset[Batch]):
    """Endless batches; the random numbers of each follow from the seed and the number of the step."""

    def __init__(self, source: Spectra, target: Spectra, settings: TravelSettings, *, salt: int = 0) -> None:
        self.domains, self.settings, self.salt = (source, target), settings, salt
        self.first = 0

    def __iter__(self) -> Iterator[Batch]:
        step = self.first
        while True:
            yield self.draw(step)
            step += 1

    def draw(self, step: int) -> Batch:
        """Draw the batch of a step."""
        random = np.random.default_rng([self.settings.seed, self.salt, step])
        (source, source_mask), (target, target_mask) = (self._draw(domain, random) for domain in self.domains)
        return Batch(source, source_mask, target, target_mask, int(random.integers(2**62)))

    def _draw(self, domain: Spectra, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        settings = self.settings
        lengths = np.array([value.shape[1] for value in domain.values], np.float64)
        half = (settings.scale.ceiling_db - settings.scale.floor_db) / 2
        pieces, masks = [], []
        for sound in random.choice(len(lengths), size=settings.batch, p=lengths / lengths.sum()):
            last = max(0, int(lengths[sound]) - settings.frames // MIN_SHARE)
            latest = max(0, int(lengths[sound]) - settings.frames)
            start = min(int(random.integers(last + 1)), latest if random.random() < 0.75 else last)
            piece, mask = domain.window(int(sound), start, settings.frames)
            louder = random.uniform(-settings.level_db, settings.level_db) / half
            silent = piece <= -1
            pieces.append(torch.where(silent, -1.0, piece + louder).clamp(-1, 1))
            masks.append(mask)
        return torch.stack(pieces).float(), torch.stack(masks)


def _opened(value: NDArray[np.float16]) -> Tensor:
    return torch.from_numpy(value.astype(np.float32))
