"""What a transform hears, a hop at a time: the live sound, frozen where that is asked for, and the model itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from realtime.dsp.feedback_path import FeedbackPath
from realtime.dsp.freeze import Freeze

PARTS = 2  # arrays of the state that are what is frozen


class TransformInput:
    """Stands between the live input and a transform.

    A frame goes `hear`, `next`, the model, `keep`. All but the live sound is state: `next` may be asked again for the
    same frame from another state.

    Parameters
    ----------
    channels, hop, sample_rate
        Of the model.
    """

    def __init__(self, channels: int, hop: int, sample_rate: float) -> None:
        self._freeze = Freeze(channels, sample_rate)
        self._feedback = FeedbackPath(channels, hop, sample_rate)
        self._silence = np.zeros((channels, hop), np.float32)

    def hear(self, audio: np.ndarray | None) -> None:
        """Take a hop of the live sound [shape=(channels, hop)]; None is silence."""
        self._freeze.push(self._silence if audio is None else audio)

    def next(self, knobs: Mapping[str, float]) -> np.ndarray:
        """Give what the model hears [shape=(channels, hop)], as `/freeze`, `/freeze/length` and `/feedback` say."""
        heard = self._freeze.next(bool(knobs["/freeze"]), knobs["/freeze/length"])
        return heard + self._feedback.next(knobs["/feedback"])

    def keep(self, made: np.ndarray) -> None:
        """Take what the model made of it [shape=(channels, hop)]."""
        self._feedback.keep(made)

    def reset(self) -> None:
        """Forget what the model made; what is frozen stays."""
        self._feedback.clear()

    def snapshot(self) -> tuple[np.ndarray, ...]:
        """Copy all that is remembered between frames, but for the live sound."""
        return *self._freeze.snapshot(), *self._feedback.snapshot()

    def restore(self, state: Sequence[np.ndarray]) -> None:
        """Go on from where `snapshot` was taken; where that is nothing, stay.

        Raises
        ------
        ValueError
            It is that of another model, or none.
        """
        if state:
            self._feedback.restore(state[PARTS:])
            self._freeze.restore(state[:PARTS])
