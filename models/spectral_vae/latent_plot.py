"""The latent space during training, as a scatter plot for TensorBoard."""

from __future__ import annotations

import colorsys

import numpy as np
import torch
from numpy.typing import NDArray

from models.spectral_vae.frame_store import FrameStore
from models.spectral_vae.network import SpectralVae
from models.training.frame_vae.sound_segments import evenly_spaced

SIZE = 320
_FRAMES = 3_000
_DOT = 2


@torch.no_grad()
def means(vae: SpectralVae, store: FrameStore) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Encode up to 3000 active frames: the means of their latents [frames, latent], and the index of each label."""
    some = evenly_spaced(store, _FRAMES)
    labels = sorted({sound.label for sound in store.sounds})
    of_sound = np.array([labels.index(sound.label) for sound in store.sounds])
    shape = store.take(some).shape.to(vae.encoder.mean.device)
    found = vae.encoder(shape)[0].cpu().numpy()
    return np.asarray(found, np.float32), np.asarray(of_sound[store.sound[some].numpy()], np.int64)


def scatter(latents: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Draw latents [points, latent] on their two principal directions, a colour a label, [3, size, size]."""
    centred = np.nan_to_num(latents - latents.mean(axis=0)).astype(np.float64)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    directions *= np.sign(directions.sum(axis=1, keepdims=True) + 1e-12)  # the same way round every time
    plane = np.pad(centred @ directions[:2].T, ((0, 0), (0, 2)))[:, :2]
    reach = max(float(np.abs(plane).max(initial=0.0)), 1e-9)
    place = np.round((0.5 + 0.47 * plane / reach) * (SIZE - 1)).astype(int)
    count = int(labels.max(initial=0)) + 1
    picture = np.full((SIZE, SIZE, 3), 255, np.uint8)
    for label in range(count):
        colour = [round(255 * part) for part in colorsys.hsv_to_rgb(label / count, 0.8, 0.8)]
        for x, y in place[labels == label]:
            row = SIZE - 1 - y
            picture[max(0, row - 1) : row + _DOT, max(0, x - 1) : x + _DOT] = colour
    return np.ascontiguousarray(picture.transpose(2, 0, 1))
