"""What a DCGAN is trained on: pictures, or spectra of sound; what its networks are then, and what is shown of them."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from export.errors import GlitchError
from export.streaming.layer import reset_caches, whole_signals
from models.data import features, opening
from models.data.manifest import DataError, Manifest, Sound, Source
from models.data.opening import Wanted
from models.data.pictures import cifar, digits
from models.dcgan import chunks
from models.dcgan.endless import EndlessGenerator, EndlessJudge
from models.dcgan.pictures import PictureGenerator, PictureJudge, padded
from models.dcgan.settings import DcganSettings
from models.digits.previews import grid
from models.dsp.log_mel import Heard, LogMel

SHOWN = 40  # pictures in the grid; of spectra there are fewer
SHOWN_SPECTRA = 8
_MNIST = "train-images"
_QUIETEST = -0.98  # a spectrum whose loudest point is below is silence


class Form(Protocol):
    """What the training asks of its data."""

    source: Source

    @property
    def epoch_steps(self) -> int:
        """Steps in which as much is seen as there is."""

    def networks(self) -> tuple[nn.Module, nn.Module]:
        """Build generator and judge."""

    def real(self, count: int, random: torch.Generator) -> Tensor:
        """Draw real examples, as the judge takes them."""

    def draw(self, count: int, random: torch.Generator) -> Tensor:
        """Draw latents for so many examples."""

    def make(self, generator: nn.Module, latents: Tensor) -> Tensor:
        """Make examples of them, as the judge takes them."""

    def shown(self) -> int:
        """How many examples the grid shows."""

    def picture(self, made: Tensor) -> Tensor:
        """Lay examples into one picture [channels, height, width], 0 to 1."""


class Pictures:
    """Pictures [count, channels, height, width] from 0 to 1, brought to a square that can be halved often enough."""

    def __init__(self, pictures: Tensor, settings: DcganSettings, source: Source) -> None:
        _, self.channels, height, width = pictures.shape
        self.size = padded(max(height, width))
        down, across = self.size - height, self.size - width
        edges = (across // 2, across - across // 2, down // 2, down - down // 2)
        self.pictures = nn.functional.pad(2 * pictures - 1, edges, value=-1.0)  # [count, channels, size, size]
        self.settings, self.source = settings, source

    @property
    def epoch_steps(self) -> int:
        """Steps in which every picture is seen once, on average."""
        return max(1, len(self.pictures) // self.settings.batch)

    def networks(self) -> tuple[nn.Module, nn.Module]:
        """Build generator and judge."""
        settings = self.settings
        return (
            PictureGenerator(settings.latent, settings.filters, self.channels, self.size),
            PictureJudge(settings.filters, self.channels, self.size),
        )

    def real(self, count: int, random: torch.Generator) -> Tensor:
        """Draw pictures."""
        return self.pictures[torch.randint(0, len(self.pictures), (count,), generator=random)]

    def draw(self, count: int, random: torch.Generator) -> Tensor:
        """Draw noise."""
        return torch.randn(count, self.settings.latent, generator=random)

    def make(self, generator: nn.Module, latents: Tensor) -> Tensor:
        """Make pictures."""
        made: Tensor = generator(latents)
        return made

    def shown(self) -> int:
        """As many as there is room for."""
        return SHOWN

    def picture(self, made: Tensor) -> Tensor:
        """Lay pictures side by side."""
        return grid(list(torch.split((made + 1) / 2, 10)))


class Spectra:
    """Mel spectra from -1 to 1, [128, frames] for each sound, and the sounds' labels."""

    def __init__(
        self, spectra: list[Tensor], labels: list[str], settings: DcganSettings, source: Source, scale: LogMel
    ) -> None:
        self.length = (2 if settings.stitching else 1) * settings.chunk
        kept = [k for k, one in enumerate(spectra) if one.shape[1] >= self.length and float(one.max()) > _QUIETEST]
        if not kept:
            seconds = self.length * scale.hop / scale.sample_rate
            raise DataError(f"No sound is longer than the {seconds:.1f} s that are judged at once, and not silent.")
        self.spectra, self.labels = [spectra[k] for k in kept], [labels[k] for k in kept]
        self.settings, self.source, self.scale = settings, source, scale
        self.frames = torch.cat(self.spectra, dim=1)  # [128, all frames]
        sizes = np.cumsum([0, *(one.shape[1] for one in self.spectra)])
        self.starts = torch.from_numpy(np.concatenate([np.arange(a, b - self.length + 1) for a, b in pairwise(sizes)]))

    @property
    def epoch_steps(self) -> int:
        """Steps in which as many frames are seen as there are."""
        return max(1, self.frames.shape[1] // (self.settings.batch * self.length))

    def networks(self) -> tuple[nn.Module, nn.Module]:
        """Build generator and judge."""
        return EndlessGenerator(self.settings.latent, self.settings.filters), EndlessJudge(self.settings.filters)

    def real(self, count: int, random: torch.Generator) -> Tensor:
        """Draw pieces, [count, 128, length]."""
        chosen = self.starts[torch.randint(0, len(self.starts), (count,), generator=random)]
        return self.frames[:, chosen[:, None] + torch.arange(self.length)].transpose(0, 1)

    def draw(self, count: int, random: torch.Generator) -> Tensor:
        """Draw latents of neighbours, or of chunks that have none."""
        settings = self.settings
        if settings.stitching:
            return chunks.ways(count, settings.latent, settings.shared, settings.chunk, random)
        return chunks.lone(count, settings.latent, settings.chunk, random)

    def make(self, generator: nn.Module, latents: Tensor) -> Tensor:
        """Make chunks, and stitch those of neighbours: [count, 128, length]."""
        assert isinstance(generator, EndlessGenerator)
        with whole_signals(generator):
            if self.settings.stitching:
                return chunks.apart(generator, latents, self.settings.chunk)
            made: Tensor = generator(latents)
        return made

    def shown(self) -> int:
        """As many as there is room for."""
        return SHOWN_SPECTRA

    def picture(self, made: Tensor) -> Tensor:
        """Lay spectra side by side, low bands at the bottom."""
        return panel((made + 1) / 2)


def panel(spectra: Tensor, columns: int = 4) -> Tensor:
    """Lay spectra [count, bands, frames] from 0 to 1 into one picture, [1, height, width], with lines between them."""
    upright = nn.functional.pad(spectra.flip(1).cpu(), (0, 2, 0, 2), value=0.5)  # [count, bands + 2, frames + 2]
    missing = -len(upright) % columns
    upright = nn.functional.pad(upright, (0, 0, 0, 0, 0, missing), value=0.5)
    rows = [torch.cat(list(row), dim=1) for row in torch.split(upright, columns)]
    return torch.cat(rows)[None].repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)


def opened(data: str, settings: DcganSettings, listed: Path, command: str = "") -> Pictures | Spectra:
    """Open what somebody points at.

    Parameters
    ----------
    data
        `digits` for scikit-learn's; a folder of MNIST's files; a folder or a file of CIFAR-10's; or a folder of sounds,
        prepared or not.
    settings
        What is trained on it.
    listed
        The manifest to write where a folder of sounds has none.
    command
        Where that comes from.

    Raises
    ------
    DataError
        Nothing of that is there, or it cannot be used.
    """
    path = Path(data)
    if data == "digits" and not path.exists():
        small = digits.small()
        return Pictures(small.train.grey, settings, Source(small.name, "CC BY 4.0 (UCI Machine Learning Repository)"))
    if cifar.is_cifar(path):
        return Pictures(cifar.read(path)[0], settings, Source("CIFAR-10"))
    if path.is_dir() and any(entry.name.startswith(_MNIST) for entry in path.iterdir()):
        return Pictures(digits.mnist(path).train.grey, settings, Source("MNIST"))
    found = opening.open_data(Wanted(path), listed, command=command)
    return spectra_of(found.sounds, settings)


def spectra_of(sounds: Manifest, settings: DcganSettings, scale: LogMel | None = None) -> Spectra:
    """Compute the spectra of the sounds that a data set has to train on."""
    scale = scale or LogMel()
    chosen = sounds.of_split("train")
    heard = Heard(scale).eval()
    spectra = [_heard(heard, sounds, sound) for sound in chosen]
    return Spectra(spectra, [sound.label for sound in chosen], settings, sounds.source, scale)


@torch.no_grad()
def _heard(heard: Heard, sounds: Manifest, sound: Sound) -> Tensor:
    audio = features.load_sound(sounds, sound, heard.scale.sample_rate)
    audio = np.pad(audio, (0, -len(audio) % heard.scale.hop))
    reset_caches(heard)
    first = math.ceil(heard.lag / heard.scale.hop)  # frames that reach back to before the sound
    made: Tensor = heard(torch.from_numpy(audio)[None, None])[0, :, first:]
    if not bool(made.isfinite().all()):
        raise GlitchError(f"The spectrum of {sound.path} isn't finite; look at the file.")
    return made
