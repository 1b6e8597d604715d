"""Rotation of the latents of an endless generator, so that the first dimensions have the largest effect.

In a normal distribution all directions are equivalent, so a single dimension of a hundred has hardly any effect. A
rotation of the latents keeps them normal. They are rotated to the eigenvectors of the mean of JᵀJ, where J is the
Jacobian of the spectrum with respect to the latents: then each direction changes the sound independently of the others,
and the strongest comes first.

Source: Wang and Ponce, "The Geometry of Deep Generative Image Models and its Applications" (ICLR 2021), with J from
finite differences.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from export.format.card import MapPoint
from export.streaming.conv1d_streaming import CausalConv1d
from models.dcgan.domains import SpectrumDomain
from models.dcgan.sound_networks import CONTEXT, EndlessGenerator, generate
from models.dsp.log_mel import LogMel
from models.report.latent_scatter import plane
from models.training.latent_stats import LatentStatistics

POINTS = 96
"""Points of the latent map."""

HELD = 8
"""Frames over which held latents are measured; grain makes each a little different."""

HOME, AROUND = 0.5, 0.75
"""Spread of the candidates for the latent mean, and of the latents around it, standard deviations."""

_PLACES, _STEP = 48, 0.5
_HOMES, _NEIGHBOURS = 31, 64
_AT_ONCE = 400
_PIECES = 4_000  # pieces of the training sounds to compare the map's points with


@torch.no_grad()
def rotate_latents(generator: torch.nn.Module, scale: LogMel, seed: int = 0) -> None:
    """Rotate the latents of a generator in place, by changing the weights of its first layer."""
    assert isinstance(generator, EndlessGenerator)
    first = _first(generator)
    latent = generator.latent
    places = torch.randn(_PLACES, latent, generator=torch.Generator().manual_seed(seed))
    total = torch.zeros(latent, latent, dtype=torch.float64)
    for place in places:
        moved = torch.cat([place + _STEP * torch.eye(latent), place - _STEP * torch.eye(latent)])
        up, down = still(generator, moved).flatten(1).double().chunk(2)  # [latent, 128 * HELD] each
        slope = (up - down) / (2 * _STEP)
        total += slope @ slope.T
    _, directions = torch.linalg.eigh(total)  # columns, the weakest first
    directions = directions.flip(1).float()
    louder = torch.stack([still(generator, sign * directions.T).mean(dim=(1, 2)) for sign in (1, -1)])  # [2, latent]
    directions = directions * torch.where(louder[0] >= louder[1], 1.0, -1.0)
    of_latents = first.conv.weight[:, :latent, 0]
    of_latents.copy_(of_latents @ directions)


@torch.no_grad()
def measure(generator: torch.nn.Module, domain: SpectrumDomain, seed: int = 0) -> LatentStatistics:
    """Measure the effect of each dimension, and make a latent map of points named after the nearest training sound."""
    assert isinstance(generator, EndlessGenerator)
    latent, half_db = domain.settings.latent, (domain.scale.ceiling_db - domain.scale.floor_db) / 2
    random = torch.Generator().manual_seed(seed)
    places = torch.randn(_PLACES, latent, generator=random)
    plain = still(generator, places)
    effects = []
    for k in range(latent):
        step = torch.zeros(latent)
        step[k] = 1.0
        moved = still(generator, torch.cat([places + step, places - step]))
        effects.append(half_db * float((moved - plain.repeat(2, 1, 1)).abs().mean()))
    order = sorted(range(latent), key=lambda k: -effects[k])
    return LatentStatistics(
        mean=tuple(round(float(value), 4) for value in _home(generator, domain, random)),
        std=(AROUND,) * latent,
        effect_db=tuple(round(effect, 4) for effect in effects),
        order=tuple(order),
        points=_map(generator, domain, random),
    )


def still(generator: EndlessGenerator, places: Tensor) -> Tensor:
    """Hold latents [count, latent] until only grain changes, and give the frames after that.

    Returns
    -------
    Tensor [shape=(count, 128, HELD)]
    """
    parts = [
        generate(generator, part[:, :, None].expand(-1, -1, CONTEXT + HELD)) for part in torch.split(places, _AT_ONCE)
    ]
    return torch.cat(parts)[:, :, -HELD:]


def _home(generator: EndlessGenerator, domain: SpectrumDomain, random: torch.Generator) -> Tensor:
    """Choose the point [latent] near the centre whose quietest neighbour is loudest, so that no walk falls silent."""
    # Music contains silence, and so do its latents
    around = AROUND * torch.randn(_NEIGHBOURS, domain.settings.latent, generator=random)
    homes = torch.cat([torch.zeros_like(around[:1]), HOME * torch.randn(_HOMES, around.shape[1], generator=random)])
    quietest = [float(_level_db(still(generator, home + around), domain.scale).min()) for home in homes]
    return homes[int(np.argmax(quietest))]


def _level_db(spectra: Tensor, scale: LogMel) -> Tensor:
    """Compute the levels of spectra [count, 128, frames], dB: [count]."""
    return 10 * torch.log10(torch.exp(scale.to_log_power(spectra)).sum(dim=1).mean(dim=1))


def _map(generator: EndlessGenerator, domain: SpectrumDomain, random: torch.Generator) -> tuple[MapPoint, ...]:
    """Place held sounds on the two principal directions of their spectra."""
    places = torch.randn(POINTS, domain.settings.latent, generator=random)
    spectra = still(generator, places).mean(dim=2)  # [points, 128]
    pieces, labels = _pieces(domain, random)
    nearest = torch.cdist(spectra, pieces).argmin(dim=1)
    laid = plane(spectra).numpy()
    counts: dict[str, int] = {}
    points = []
    for k in range(POINTS):
        label = labels[int(nearest[k])]
        counts[label] = counts.get(label, 0) + 1
        own = tuple(round(float(value), 4) for value in places[k])
        x, y = (round(float(value), 4) for value in laid[k])
        points.append(MapPoint(x, y, f"{label} {counts[label]}", own))
    return tuple(points)


def _pieces(domain: SpectrumDomain, random: torch.Generator) -> tuple[Tensor, list[str]]:
    """Choose short pieces of the training sounds: their mean spectra [pieces, 128], and their labels."""
    lengths = np.array([one.shape[1] for one in domain.spectra], float)
    count = min(_PIECES, int(lengths.sum()) // HELD)
    found, labels = [], []
    for k, one in enumerate(domain.spectra):
        mine = max(1, round(count * lengths[k] / lengths.sum()))
        starts = torch.randint(0, one.shape[1] - HELD + 1, (mine,), generator=random)
        found += [one[:, at : at + HELD].mean(dim=1) for at in starts.tolist()]
        labels += [domain.labels[k]] * mine
    return torch.stack(found), labels


def _first(generator: EndlessGenerator) -> CausalConv1d:
    return next(layer for layer in generator.layers if isinstance(layer, CausalConv1d))
