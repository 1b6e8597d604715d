"""Streaming of `decode`: a latent frame in, a hop of audio out."""

from __future__ import annotations

import os

import numpy as np

from realtime.engine.audio_method import AudioMethod


class Decoder(AudioMethod):
    """Runs `decode` one frame a step.

    Parameters
    ----------
    path
        The model file.
    seed
        Of phases that the magnitudes leave open.

    Raises
    ------
    ContractError
        The file is no model, cannot decode, or its graph gives other shapes than the card says.
    """

    def __init__(self, path: str | os.PathLike[str], *, seed: int = 0) -> None:
        super().__init__(path, "decode", seed=seed)

    @property
    def idle(self) -> np.ndarray:
        """The mean latent [shape=(latents,)]."""
        return np.array(self.card.latent.mean)
