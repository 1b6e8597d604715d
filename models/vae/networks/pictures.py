"""Convolutions over pictures: the encoder halves them several times, the decoder doubles them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from export.errors import GlitchError


class NetworkError(GlitchError):
    """A network cannot be built for data of this shape."""


Picture = tuple[int, int, int]
"""Channels, height, width."""


def picture_encoder(shape: Picture, outputs: int, widths: Sequence[int], *, dropout: float = 0.0) -> nn.Sequential:
    """Build an encoder of pictures.

    Parameters
    ----------
    shape
        Of a picture.
    outputs
        Numbers of the output, two for each latent.
    widths
        Channels after each convolution; each halves height and width.
    dropout
        Share of the last layer's values that is set to 0 in training.

    Returns
    -------
    encoder : nn.Sequential
        [batch, *shape] → [batch, outputs].

    Raises
    ------
    NetworkError
        The picture cannot be halved as often.
    """
    channels, height, width = _smallest(shape, widths)
    stack: list[nn.Module] = []
    now = shape[0]
    for wide in widths:
        stack += [nn.Conv2d(now, wide, kernel_size=4, stride=2, padding=1), nn.SiLU()]
        now = wide
    return nn.Sequential(*stack, nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels * height * width, outputs))


def picture_decoder(
    inputs: int, shape: Picture, widths: Sequence[int], *, values: int = 1, dropout: float = 0.0
) -> nn.Sequential:
    """Build a decoder of pictures.

    Parameters
    ----------
    inputs
        Latent dimensions and features of the conditions.
    shape
        Of a picture.
    widths
        Channels as in the encoder, from the picture on.
    values
        Numbers that the likelihood takes for each value of the picture.
    dropout
        Share of the first layer's values that is set to 0 in training.

    Returns
    -------
    decoder : nn.Sequential
        [batch, inputs] → [batch, values * channels, height, width].

    Raises
    ------
    NetworkError
        The picture cannot be halved as often.
    """
    channels, height, width = _smallest(shape, widths)
    stack: list[nn.Module] = [
        nn.Linear(inputs, channels * height * width),
        nn.Unflatten(1, (channels, height, width)),
    ]
    for now, wide in zip(reversed(widths), [*reversed(widths[:-1]), values * shape[0]], strict=True):
        stack += [
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.ConvTranspose2d(now, wide, kernel_size=4, stride=2, padding=1),
        ]
    return nn.Sequential(*stack)


def _smallest(shape: Picture, widths: Sequence[int]) -> Picture:
    """Give the shape of a picture after it was halved for each of `widths`."""
    _, height, width = shape
    half = 2 ** len(widths)
    if not widths or height % half or width % half:
        raise NetworkError(
            f"Pictures of {height} by {width} cannot be halved {len(widths)} times; "
            "give widths for at least one layer, and no more than the sides can be halved."
        )
    return widths[-1], height // half, width // half
