"""Stitching: the latents of neighbouring chunks, and chunks that are generated separately.

Neighbours are related by their latents: some are the same in both (`shared`), and the others move from one boundary to
the next, so that each chunk ends where its neighbour begins. Between two boundaries they move as the walk on stage
does. The distance between two boundaries varies from example to example, from none to unrelated points, and so does the
distance from the centre: slow walks, held latents and points near the centre must sound as well. Grain is new in every
frame; the context of a chunk has the same grain as the neighbour it belongs to.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from models.dcgan.sound_networks import CONTEXT, GRAIN, EndlessGenerator

MAX_RADIUS = 1.2
"""Largest scale of the latents that are drawn, standard deviations."""


def draw_neighbours(count: int, latent: int, shared: int, chunk: int, random: torch.Generator) -> Tensor:
    """Draw latents and grain for pairs of neighbouring chunks, with the context of the first.

    Parameters
    ----------
    count
        Pairs.
    latent, shared
        Latent dimensions, and how many of them are the same in both chunks.
    chunk
        Frames of a chunk.
    random
        Source of random numbers.

    Returns
    -------
    Tensor [shape=(count, latent + GRAIN, CONTEXT + 2 * chunk)]
    """
    boundaries = 4  # before the context, and before, between and after the two chunks
    stillness = 1 - torch.rand(count, 1, generator=random) ** 2
    places = [torch.randn(count, latent - shared, generator=random)]
    for _ in range(boundaries - 1):
        fresh = torch.randn(count, latent - shared, generator=random)
        places.append(stillness * places[-1] + torch.sqrt(1 - stillness**2) * fresh)
    part = torch.arange(chunk) / chunk
    part = part * part * (3 - 2 * part)  # as `realtime.latent.walk` goes
    between = [a[:, :, None] * (1 - part) + b[:, :, None] * part for a, b in pairwise(places)]
    local = torch.cat(between, dim=2)[:, :, chunk - CONTEXT :]  # [count, latent - shared, context + 2 * chunk]
    same = torch.randn(count, shared, generator=random)[:, :, None].expand(-1, -1, local.shape[2])
    return with_grain(torch.cat([same, local], dim=1) * _radius(count, random), random)


def generate_apart(generator: EndlessGenerator, latents: Tensor, chunk: int) -> Tensor:
    """Generate the two chunks of each pair separately.

    Each starts from zeros, with `CONTEXT` frames of context whose output is discarded.

    Parameters
    ----------
    generator
        The generator.
    latents : Tensor [shape=(count, latent + GRAIN, CONTEXT + 2 * chunk)]
        As from `draw_neighbours`.
    chunk
        Frames of a chunk.

    Returns
    -------
    spectra : Tensor [shape=(count, 128, 2 * chunk)]
        Both chunks, concatenated.
    """
    starts = (0, chunk)
    parts = torch.cat([latents[:, :, at : at + CONTEXT + chunk] for at in starts])  # [2 * count, …, context + chunk]
    made = generator(parts)[:, :, CONTEXT:]
    return torch.cat(list(made.chunk(len(starts))), dim=2)


def draw_single(count: int, latent: int, chunk: int, random: torch.Generator) -> Tensor:
    """Draw latents and grain for independent chunks: [count, latent + GRAIN, chunk]."""
    z = torch.randn(count, latent, 1, generator=random) * _radius(count, random)
    return with_grain(z.expand(-1, -1, chunk), random)


def with_grain(latents: Tensor, random: torch.Generator) -> Tensor:
    """Append noise to latents [count, latent, frames]: [count, latent + GRAIN, frames]."""
    grain = torch.randn(len(latents), GRAIN, latents.shape[2], generator=random)
    return torch.cat([latents, grain], dim=1)


def _radius(count: int, random: torch.Generator) -> Tensor:
    """Draw the distance of each example from the centre, [count, 1, 1]."""
    return MAX_RADIUS * torch.rand(count, 1, 1, generator=random).sqrt()
