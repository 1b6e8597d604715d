"""What all transforms have in common."""

from __future__ import annotations

from torch import Tensor, nn

from export.errors import GlitchError


class TransformError(GlitchError):
    """A transform cannot be made, or was given what it cannot take."""


class Transform(nn.Module):
    """Audio to coefficients, and coefficients to audio.

    Any number of leading axes is a batch. Work is done in the type and on the device of what is given; gradients flow
    both ways unless it says otherwise.

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
        """Give audio back: [..., bands, frames] → [..., length]."""
        raise NotImplementedError

    def frames_of(self, length: int) -> int:
        """Give the number of frames that a sound of `length` samples has."""
        raise NotImplementedError

    def length_of(self, frames: int) -> int:
        """Give the length of a sound for which nothing but its number of frames is known, in samples."""
        raise NotImplementedError

    def check_length(self, frames: int, length: int | None) -> int:
        """Give `length`, or `length_of(frames)` for None.

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
