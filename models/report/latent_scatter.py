"""Scatter plot of latents on their first two principal components."""

from __future__ import annotations

import colorsys

import torch
from torch import Tensor

SIZE = 320
DOT = 2
_MARGIN = 0.04


def scatter(latents: Tensor, labels: Tensor, classes: int, *, size: int = SIZE) -> Tensor:
    """Draw a dot for each latent, in the colour of its class, on white.

    Parameters
    ----------
    latents : Tensor [shape=(count, latent)]
    labels : Tensor [shape=(count,), int64]
        Class of each latent, from 0.
    classes
        Number of classes; their colours are evenly spaced in hue.
    size
        Height and width of the picture, pixels.

    Returns
    -------
    Tensor [shape=(3, size, size)]
        Red, green and blue, 0 to 1.
    """
    places = plane(latents)  # [count, 2]
    inside = (_MARGIN + (1 - 2 * _MARGIN) * 0.5 * (places + 1)) * (size - 1)
    colours = torch.tensor([colorsys.hsv_to_rgb(k / classes, 0.85, 0.8) for k in range(classes)])
    picture = torch.ones(3, size, size)
    for (x, y), label in zip(inside.round().long().tolist(), labels.tolist(), strict=True):
        rows = slice(max(0, size - 1 - y - DOT), size - y + DOT)
        columns = slice(max(0, x - DOT), x + DOT + 1)
        picture[:, rows, columns] = colours[label][:, None, None]
    return picture


def plane(latents: Tensor) -> Tensor:
    """Project latents onto two principal components, scaled to −1 to 1: [count, latent] → [count, 2]."""
    centred = latents - latents.mean(dim=0)
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    directions = directions * torch.sign(directions.sum(dim=1, keepdim=True) + 1e-12)  # a defined sign
    places = centred @ directions[:2].T  # [count, up to 2]
    places = torch.nn.functional.pad(places, (0, 2 - places.shape[1]))
    return places / places.abs().max().clamp(min=1e-9)
