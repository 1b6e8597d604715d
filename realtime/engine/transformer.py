"""A model's `transform`, made to stream: a hop of audio in, a hop of audio out."""

from __future__ import annotations

import os

import numpy as np

from realtime.engine.audio_method import AudioMethod


class Transformer(AudioMethod):
    """Runs `transform` a hop a step.

    Parameters
    ----------
    path
        The model file.
    seed
        Of the phase where magnitudes say nothing of it.

    Raises
    ------
    ContractError
        The file is no model, cannot transform, or the graph gives other shapes than its card says.

    See Also
    --------
    realtime.engine.transform_input.TransformInput : what a hop of live input goes through before it is heard.
    """

    def __init__(self, path: str | os.PathLike[str], *, seed: int = 0) -> None:
        super().__init__(path, "transform", seed=seed)

    @property
    def idle(self) -> np.ndarray:
        """Silence."""
        return np.zeros((self.channels, self.hop), np.float32)
