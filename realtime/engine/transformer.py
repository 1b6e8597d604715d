"""Streaming of `transform`: a hop of audio in, a hop of audio out."""

from __future__ import annotations

import os

import numpy as np

from realtime.engine.audio_method import AudioMethod


class Transformer(AudioMethod):
    """Runs `transform` one hop a step.

    Parameters
    ----------
    path
        The model file.
    seed
        Of phases that the magnitudes leave open.

    Raises
    ------
    ContractError
        The file is no model, cannot transform, or its graph gives other shapes than the card says.

    See Also
    --------
    realtime.engine.transform_input.TransformInput : Prepares its input on the stage.
    """

    def __init__(self, path: str | os.PathLike[str], *, seed: int = 0) -> None:
        super().__init__(path, "transform", seed=seed)

    @property
    def idle(self) -> np.ndarray:
        """Silence [shape=(channels, hop)]."""
        return np.zeros((self.channels, self.hop), np.float32)
