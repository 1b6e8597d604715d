"""Encoders and decoders for `models.vae.vae`: dense, of pictures, recurrent over rows, and of sound that streams."""

from models.vae.networks.audio import Scales, audio_decoder, audio_encoder
from models.vae.networks.dense import Dense
from models.vae.networks.picture_rows import RowDecoder, RowEncoder
from models.vae.networks.pictures import picture_decoder, picture_encoder

__all__ = [
    "Dense",
    "RowDecoder",
    "RowEncoder",
    "Scales",
    "audio_decoder",
    "audio_encoder",
    "picture_decoder",
    "picture_encoder",
]
