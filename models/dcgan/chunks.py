"""The latents of neighbouring chunks, and how chunks are made apart.

What two neighbours share is in their latents: some are the same in both (`shared`), and the others go from place to
place, from one border to the next, so that each chunk ends where its neighbour begins. The way between two borders is
the one that a walk on stage takes. How far apart two borders lie differs from example to example, from nothing to
places that have nothing to do with each other, and so does how far from the centre all of it happens: whoever holds
still, or stays near the centre, is to hear something as well. Grain is fresh in every frame; what is context to one of
two neighbours has the grain that the other was given there.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from models.dcgan.endless import CONTEXT, GRAIN, EndlessGenerator

FARTHEST = 1.2
"""Standard deviations at which latents are drawn, at most."""


def ways(count: int, latent: int, shared: int, chunk: int, random: torch.Generator) -> Tensor:
    """Draw latents and grain for pairs of neighbouring chunks of so many frames, with the context of the first.

    Returns
    -------
    Tensor [shape=(count, latent + GRAIN, CONTEXT + 2 * chunk)]
    """
    borders = 4  # before the context, before, between and behind the two chunks
    stillness = 1 - torch.rand(count, 1, generator=random) ** 2
    places = [torch.randn(count, latent - shared, generator=random)]
    for _ in range(borders - 1):
        fresh = torch.randn(count, latent - shared, generator=random)
        places.append(stillness * places[-1] + torch.sqrt(1 - stillness**2) * fresh)
    part = torch.arange(chunk) / chunk
    part = part * part * (3 - 2 * part)  # as `realtime.latent.walk` goes
    between = [a[:, :, None] * (1 - part) + b[:, :, None] * part for a, b in pairwise(places)]
    local = torch.cat(between, dim=2)[:, :, chunk - CONTEXT :]  # [count, latent - shared, context + 2 * chunk]
    same = torch.randn(count, shared, generator=random)[:, :, None].expand(-1, -1, local.shape[2])
    return with_grain(torch.cat([same, local], dim=1) * _radius(count, random), random)


def apart(generator: EndlessGenerator, way: Tensor, chunk: int) -> Tensor:
    """Make both chunks of each way by themselves, and stitch them: [count, 128, 2 * chunk].

    Each begins at zeros, with context that both know; what is made of that is thrown away.
    """
    starts = (0, chunk)
    parts = torch.cat([way[:, :, at : at + CONTEXT + chunk] for at in starts])  # [2 * count, …, context + chunk]
    made = generator(parts)[:, :, CONTEXT:]
    return torch.cat(list(made.chunk(len(starts))), dim=2)


def lone(count: int, latent: int, chunk: int, random: torch.Generator) -> Tensor:
    """Draw latents and grain for chunks that know nothing of each other: [count, latent + GRAIN, chunk]."""
    z = torch.randn(count, latent, 1, generator=random) * _radius(count, random)
    return with_grain(z.expand(-1, -1, chunk), random)


def with_grain(latents: Tensor, random: torch.Generator) -> Tensor:
    """Lay noise beside latents [count, latent, frames]: [count, latent + GRAIN, frames]."""
    grain = torch.randn(len(latents), GRAIN, latents.shape[2], generator=random)
    return torch.cat([latents, grain], dim=1)


def _radius(count: int, random: torch.Generator) -> Tensor:
    """How far from the centre each example lies, [count, 1, 1]."""
    return FARTHEST * torch.rand(count, 1, 1, generator=random).sqrt()
