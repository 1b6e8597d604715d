"""Encoders and decoders of sound that stream: causal convolutions at several rates, and recurrent cells between them.

The layers are those of `export.streaming`, so that a model trains on whole sounds and runs in chunks, with a delay of
0. A latent frame depends on its own hop and on the sound before it; a hop of sound depends on its own latent frame and
on those before it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

from export.streaming.conv1d_streaming import CausalConv1d, ConvTranspose1d
from export.streaming.recurrent_layers import GRU
from export.streaming.stack import Chain, Residual
from models.vae.networks.pictures import NetworkError


@dataclass(frozen=True)
class Scales:
    """The rates between sound and latent.

    Attributes
    ----------
    widths
        Channels at the rate of the sound, and after each stride.
    strides
        Factors between the rates; their product is the hop.
    dilations
        Of the residual convolutions at each rate, which are 3 wide.
    recurrent
        Width of the recurrent cells at the latent's rate; 0 does without.
    """

    widths: tuple[int, ...] = (16, 32, 64, 128)
    strides: tuple[int, ...] = (4, 8, 8)
    dilations: tuple[int, ...] = (1, 3, 9)
    recurrent: int = 0

    def __post_init__(self) -> None:
        """Check the values.

        Raises
        ------
        NetworkError
            There isn't one width more than there are strides, or a number is too small.
        """
        if len(self.widths) != len(self.strides) + 1 or not self.strides:
            raise NetworkError(
                f"Give one stride at least, and one width more than strides, "
                f"not {len(self.widths)} widths and {len(self.strides)} strides."
            )
        if min(*self.widths, *self.strides, *self.dilations, 1) < 1 or self.recurrent < 0:
            raise NetworkError("Widths, strides and dilations must be at least 1, and 'recurrent' at least 0.")

    @property
    def hop(self) -> int:
        """Samples of a frame."""
        return math.prod(self.strides)


def audio_encoder(channels: int, outputs: int, scales: Scales) -> Chain:
    """Build an encoder of sound.

    Parameters
    ----------
    channels
        Channels of the sound.
    outputs
        Values for each frame, two for each latent.
    scales
        The rates between sound and latent.

    Returns
    -------
    encoder : Chain
        [batch, channels, frames * hop] → [batch, outputs, frames].
    """
    widths = scales.widths
    stack: list[nn.Module] = [CausalConv1d(channels, widths[0], 7)]
    for width, wider, stride in zip(widths, widths[1:], scales.strides, strict=False):
        stack += [*_residuals(width, scales.dilations), nn.LeakyReLU(0.2)]
        stack.append(CausalConv1d(width, wider, 2 * stride, stride=stride))
    stack += _memory(widths[-1], scales.recurrent)
    return Chain(*stack, nn.LeakyReLU(0.2), CausalConv1d(scales.recurrent or widths[-1], outputs, 3))


def audio_decoder(inputs: int, channels: int, scales: Scales, *, values: int = 1) -> Chain:
    """Build a decoder of sound.

    Parameters
    ----------
    inputs
        Latent dimensions and features of the conditions.
    channels
        Channels of the sound.
    scales
        The rates between, as in the encoder.
    values
        Numbers that the likelihood takes for each sample.

    Returns
    -------
    decoder : Chain
        [batch, inputs, frames] → [batch, values * channels, frames * hop].
    """
    widths = scales.widths[::-1]
    stack: list[nn.Module] = [CausalConv1d(inputs, widths[0], 3)]
    if scales.recurrent:
        stack += [*_memory(widths[0], scales.recurrent), CausalConv1d(scales.recurrent, widths[0], 1)]
    for width, narrower, stride in zip(widths, widths[1:], scales.strides[::-1], strict=False):
        stack += [nn.LeakyReLU(0.2), ConvTranspose1d(width, narrower, 2 * stride, stride=stride)]
        stack += _residuals(narrower, scales.dilations)
    return Chain(*stack, nn.LeakyReLU(0.2), CausalConv1d(widths[-1], values * channels, 7))


def _residuals(width: int, dilations: tuple[int, ...]) -> list[nn.Module]:
    return [
        Residual(
            nn.LeakyReLU(0.2),
            CausalConv1d(width, width, 3, dilation=dilation),
            nn.LeakyReLU(0.2),
            CausalConv1d(width, width, 1),
            channels=width,
        )
        for dilation in dilations
    ]


def _memory(width: int, recurrent: int) -> list[nn.Module]:
    return [nn.LeakyReLU(0.2), GRU(width, recurrent)] if recurrent else []
