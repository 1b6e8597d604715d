"""The interface of transforms."""

from __future__ import annotations

from torch import Tensor, nn

from export.errors import GlitchError


class TransformError(GlitchError):
    """Wrong settings of a transform, or wrong input."""


class Transform(nn.Module):
    """Audio to coefficients and back.

    Any number of leading axes is a batch. Results have the dtype and device of the input; both directions are
    differentiable unless stated otherwise.

    Attributes
    ----------
    hop : int
        Samples between frames.
    """

    hop: int

    def forward(self, audio: Tensor) -> Tensor:
        """Analyse: [..., samples] → [..., bands, frames]."""
        raise NotImplementedError

    def inverse(self, coefficients: Tensor, length: int) -> Tensor:
        """Synthesise: [..., bands, frames] → [..., length]."""
        raise NotImplementedError

    def frames_of(self, length: int) -> int:
        """Return the number of frames of `length` samples."""
        raise NotImplementedError

    def length_of(self, frames: int) -> int:
        """Return the default length in samples of a sound of so many frames."""
        raise NotImplementedError

    def check_length(self, frames: int, length: int | None) -> int:
        """Return `length`, or `length_of(frames)` for None.

        Returns
        -------
        length : int
            Samples.

        Raises
        ------
        TransformError
            A sound of that length has another number of frames.
        """
        if length is None:
            return self.length_of(frames)
        if length < 0 or self.frames_of(length) != frames:
            raise TransformError(
                f"The length is {length} samples, and {frames} frames of hop {self.hop} are those of another; "
                f"leave it out, or give one near {self.length_of(frames)}."
            )
        return length
