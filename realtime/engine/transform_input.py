"""The input of a transform: live sound, optionally frozen, with the model's own output fed back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from realtime.dsp.feedback_path import FeedbackPath
from realtime.dsp.freeze import Freeze

FREEZE_ARRAYS = 2  # arrays of the state that belong to the freeze; the rest belong to the feedback


class TransformInput:
    """Prepares each hop of audio for a transform.

    For every frame: `push` the live input, `next` for the model's input, run the model, `feed_back` its output.
    Everything except the live input is state: `next` can be called again for the same frame from another state.

    Parameters
    ----------
    channels, hop
        Of the model.
    sample_rate
        Of the model, in Hz.
    """

    def __init__(self, channels: int, hop: int, sample_rate: float) -> None:
        self._freeze = Freeze(channels, sample_rate)
        self._feedback = FeedbackPath(channels, hop, sample_rate)
        self._silence = np.zeros((channels, hop), np.float32)

    def push(self, audio: np.ndarray | None) -> None:
        """Take a hop of live input [shape=(channels, hop)]; None is silence."""
        self._freeze.push(self._silence if audio is None else audio)

    def next(self, values: Mapping[str, float]) -> np.ndarray:
        """Compute the model's input for the next frame.

        Parameters
        ----------
        values
            By address: `/freeze`, `/freeze/length` (ms) and `/feedback` are used.

        Returns
        -------
        np.ndarray [shape=(channels, hop)], float32
            The live input or the frozen loop, with the feedback added.
        """
        live = self._freeze.next(bool(values["/freeze"]), values["/freeze/length"])
        return live + self._feedback.next(values["/feedback"])

    def feed_back(self, audio: np.ndarray) -> None:
        """Take the model's output [shape=(channels, hop)], to be fed back."""
        self._feedback.keep(audio)

    def reset(self) -> None:
        """Clear the feedback; a frozen loop stays."""
        self._feedback.clear()

    def snapshot(self) -> tuple[np.ndarray, ...]:
        """Copy the state, without the live input."""
        return *self._freeze.snapshot(), *self._feedback.snapshot()

    def restore(self, state: Sequence[np.ndarray]) -> None:
        """Continue from a snapshot; an empty one changes nothing.

        Raises
        ------
        ValueError
            The snapshot is of another model.
        """
        if state:
            self._feedback.restore(state[FREEZE_ARRAYS:])
            self._freeze.restore(state[:FREEZE_ARRAYS])
