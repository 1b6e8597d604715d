"""Domains of a DCGAN, pictures or spectra of sound: examples, networks, and previews."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from export.errors import GlitchError
from export.streaming.layer_base import reset_caches, whole_signals
from models.data import features, open_data
from models.data.manifest import Manifest, Sound, Source
from models.data.open_data import DataRequest
from models.data.pictures import cifar, digits
from models.dcgan import stitching
from models.dcgan.picture_networks import PictureDiscriminator, PictureGenerator, padded
from models.dcgan.settings import DcganSettings
from models.dcgan.sound_networks import EndlessDiscriminator, EndlessGenerator
from models.dsp.log_mel import LogMel, LogMelAnalysis
from models.files.errors import DataError
from models.report.picture_grid import COLUMNS, picture_grid, spectrum_grid

SHOWN = 40
"""Pictures in the preview grid."""

SHOWN_SPECTRA = 8
_MNIST = "train-images"
_QUIETEST = -0.98  # a spectrum whose maximum is lower is silence


class Domain(Protocol):
    """The data of a training, and the networks for them."""

    source: Source

    @property
    def epoch_steps(self) -> int:
        """Steps of an epoch."""

    def networks(self) -> tuple[nn.Module, nn.Module]:
        """Build generator and discriminator."""

    def real(self, count: int, random: torch.Generator) -> Tensor:
        """Draw real examples for the discriminator."""

    def draw(self, count: int, random: torch.Generator) -> Tensor:
        """Draw latents for `count` examples."""

    def make(self, generator: nn.Module, latents: Tensor) -> Tensor:
        """Generate examples for the discriminator."""

    def shown(self) -> int:
        """Return the number of examples in the preview grid."""

    def picture(self, made: Tensor) -> Tensor:
        """Lay examples into one picture [channels, height, width], 0 to 1."""


class PictureDomain:
    """Pictures [count, channels, height, width] from 0 to 1, padded to a square that can be halved often enough."""

    def __init__(self, pictures: Tensor, settings: DcganSettings, source: Source) -> None:
        _, self.channels, height, width = pictures.shape
        self.size = padded(max(height, width))
        down, across = self.size - height, self.size - width
        edges = (across // 2, across - across // 2, down // 2, down - down // 2)
        self.pictures = nn.functional.pad(2 * pictures - 1, edges, value=-1.0)  # [count, channels, size, size]
        self.settings, self.source = settings, source

    @property
    def epoch_steps(self) -> int:
        """Steps in which every picture is drawn once on average."""
        return max(1, len(self.pictures) // self.settings.batch)

    def networks(self) -> tuple[nn.Module, nn.Module]:
        """Build generator and discriminator."""
        settings = self.settings
        return (
            PictureGenerator(settings.latent, settings.filters, self.channels, self.size),
            PictureDiscriminator(settings.filters, self.channels, self.size),
        )

    def real(self, count: int, random: torch.Generator) -> Tensor:
        """Draw pictures."""
        return self.pictures[torch.randint(0, len(self.pictures), (count,), generator=random)]

    def draw(self, count: int, random: torch.Generator) -> Tensor:
        """Draw noise."""
        return torch.randn(count, self.settings.latent, generator=random)

    def make(self, generator: nn.Module, latents: Tensor) -> Tensor:
        """Generate pictures."""
        made: Tensor = generator(latents)
        return made

    def shown(self) -> int:
        """Return the number of examples in the preview grid."""
        return SHOWN

    def picture(self, made: Tensor) -> Tensor:
        """Lay pictures side by side."""
        return picture_grid(list(torch.split((made + 1) / 2, COLUMNS)))


class SpectrumDomain:
    """Mel spectra of sounds, [128, frames] each from -1 to 1, with the sounds' labels."""

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
        """Steps in which as many frames are drawn as there are."""
        return max(1, self.frames.shape[1] // (self.settings.batch * self.length))

    def networks(self) -> tuple[nn.Module, nn.Module]:
        """Build generator and discriminator."""
        return EndlessGenerator(self.settings.latent, self.settings.filters), EndlessDiscriminator(
            self.settings.filters
        )

    def real(self, count: int, random: torch.Generator) -> Tensor:
        """Draw pieces, [count, 128, length]."""
        chosen = self.starts[torch.randint(0, len(self.starts), (count,), generator=random)]
        return self.frames[:, chosen[:, None] + torch.arange(self.length)].transpose(0, 1)

    def draw(self, count: int, random: torch.Generator) -> Tensor:
        """Draw latents of pairs of neighbouring chunks, or of single chunks."""
        settings = self.settings
        if settings.stitching:
            return stitching.draw_neighbours(count, settings.latent, settings.shared, settings.chunk, random)
        return stitching.draw_single(count, settings.latent, settings.chunk, random)

    def make(self, generator: nn.Module, latents: Tensor) -> Tensor:
        """Generate chunks, and concatenate those of neighbours: [count, 128, length]."""
        assert isinstance(generator, EndlessGenerator)
        with whole_signals(generator):
            if self.settings.stitching:
                return stitching.generate_apart(generator, latents, self.settings.chunk)
            made: Tensor = generator(latents)
        return made

    def shown(self) -> int:
        """Return the number of examples in the preview grid."""
        return SHOWN_SPECTRA

    def picture(self, made: Tensor) -> Tensor:
        """Lay spectra side by side, low bands at the bottom."""
        return spectrum_grid((made + 1) / 2)


def open_domain(data: str, settings: DcganSettings, listed: Path, command: str = "") -> PictureDomain | SpectrumDomain:
    """Open the data that a command names.

    Parameters
    ----------
    data
        `digits` for scikit-learn's; a folder of MNIST's files; a folder or a file of CIFAR-10's; or a folder of sounds,
        prepared or not.
    settings
        The settings of the training.
    listed
        The manifest to write if a folder of sounds has none.
    command
        The command line, for that manifest.

    Returns
    -------
    domain : PictureDomain or SpectrumDomain
        Pictures of digits or of CIFAR-10, or the spectra of sounds.

    Raises
    ------
    DataError
        There are no such data, or they cannot be used.
    """
    path = Path(data)
    if data == "digits" and not path.exists():
        small = digits.small()
        return PictureDomain(
            small.train.grey, settings, Source(small.name, "CC BY 4.0 (UCI Machine Learning Repository)")
        )
    if cifar.is_cifar(path):
        return PictureDomain(cifar.read(path)[0], settings, Source("CIFAR-10"))
    if path.is_dir() and any(entry.name.startswith(_MNIST) for entry in path.iterdir()):
        return PictureDomain(digits.mnist(path).train.grey, settings, Source("MNIST"))
    found = open_data.open_data(DataRequest(path), listed, command=command)
    return spectra_of(found.sounds, settings)


def spectra_of(sounds: Manifest, settings: DcganSettings, scale: LogMel | None = None) -> SpectrumDomain:
    """Compute the spectra of the training sounds of a data set."""
    scale = scale or LogMel()
    chosen = sounds.of_split("train")
    analysis = LogMelAnalysis(scale).eval()
    spectra = [_spectrum(analysis, sounds, sound) for sound in chosen]
    return SpectrumDomain(spectra, [sound.label for sound in chosen], settings, sounds.source, scale)


@torch.no_grad()
def _spectrum(analysis: LogMelAnalysis, sounds: Manifest, sound: Sound) -> Tensor:
    audio = features.load_sound(sounds, sound, analysis.scale.sample_rate)
    audio = np.pad(audio, (0, -len(audio) % analysis.scale.hop))
    reset_caches(analysis)
    first = math.ceil(analysis.lag / analysis.scale.hop)  # frames whose windows begin before the sound
    made: Tensor = analysis(torch.from_numpy(audio)[None, None])[0, :, first:]
    if not bool(made.isfinite().all()):
        raise GlitchError(f"The spectrum of {sound.path} isn't finite; look at the file.")
    return made
