"""Export of a spectral VAE: its `decode` and `encode` as streaming graphs, written as a model file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from export.format.card import Card, Method, Spectrum
from export.proof.chunk_equality import Proof
from export.streaming.explicit_state import with_explicit_state
from export.streaming.stft import STFT
from export.torch_export import TorchMethod
from export.torch_export import export as export_methods
from export.weight_storage import Weights
from models.data.features import LOG_FLOOR
from models.dsp.log_magnitude import LN_10_OVER_20, unit_energy_above, unit_gain
from models.spectral_vae.checkpoint import Trained
from models.spectral_vae.frame_store import MIN_SHAPE
from models.spectral_vae.network import SpectralVae, VaeConfig
from models.vae import conditions

LIFT_DB = 4.0
"""Level that is added to the noise floor, because phase inversion takes it away, dB. A noise floor is decoded smooth,
unlike real noise; neighbouring frames of it cannot agree on phases, and lose level where they overlap."""


def write(
    trained: Trained, out: Path, name: str, *, bend: Sequence[str] | None = None, weights: Weights = "fp32"
) -> Proof:
    """Write a spectral VAE as a streaming model file, once it has proved that chunked equals whole.

    Parameters
    ----------
    trained
        The model, as `models.spectral_vae.checkpoint.load` gives it.
    out, name
        The `.onnx` file to write, and the model's name.
    bend, weights
        See `models.checkpoint_export.export`.

    Returns
    -------
    proof : Proof
        The largest difference between chunked and whole in each method, within the tolerance.

    Raises
    ------
    ContractError
        The model doesn't fulfil the format; nothing is written.
    """
    vae, shape = trained.model, trained.model.config
    latent = trained.latent.to_card()
    encode, caches = with_explicit_state(EncodeGraph(vae), torch.zeros(1, 1, shape.hop))
    methods = {
        "decode": TorchMethod(DecodeGraph(vae), _decode(shape)),
        "encode": TorchMethod(encode, Method(hop=shape.hop, output="latent", delay=encode_delay(shape)), caches),
    }
    card = Card(name, shape.sample_rate, {}, latent, trained.provenance)
    return export_methods(
        out,
        name=name,
        sample_rate=shape.sample_rate,
        methods=methods,
        latent=latent,
        card=card,
        bend=bend,
        weights=weights,
    )


class DecodeGraph(nn.Module):
    """Latent, pitch and loudness → linear magnitudes of exactly that loudness."""

    def __init__(self, vae: SpectralVae) -> None:
        super().__init__()
        self.decoder = vae.decoder
        self.quietest_db = vae.config.quietest_db
        self.unit = unit_gain(vae.config.n_fft)

    def forward(self, latent: Tensor, pitch: Tensor, loudness: Tensor) -> tuple[Tensor]:
        """Decode.

        Parameters
        ----------
        latent : Tensor [shape=(1, latent, frames)]
        pitch : Tensor [shape=(1, 1, frames)]
            MIDI note number.
        loudness : Tensor [shape=(1, 1, frames)]
            RMS, dBFS; silence at `quietest_db`.

        Returns
        -------
        Tensor [shape=(1, bins, frames)]
            Magnitudes of an unnormalised STFT.
        """
        level = loudness[0, 0]  # [frames]
        shape = self.decoder(latent[0].T, pitch[0, 0], level, LIFT_DB * LN_10_OVER_20)  # [frames, bins]
        silence = math.exp(self.quietest_db * LN_10_OVER_20)
        gain = self.unit * (torch.exp(level * LN_10_OVER_20) - silence).clamp(min=0)  # [frames]
        return ((gain[:, None] * torch.exp(shape)).T[None],)


class EncodeGraph(nn.Module):
    """Audio → mean of the latent, from a streaming STFT whose windows end with their hop."""

    def __init__(self, vae: SpectralVae) -> None:
        super().__init__()
        self.encoder = vae.encoder
        self.config = vae.config
        self.stft = STFT(vae.config.n_fft, vae.config.hop, centred=False)

    def forward(self, audio: Tensor) -> Tensor:
        """Encode: [1, 1, frames * hop] → [1, latent, frames]."""
        real, imaginary = self.stft(audio)[0].T.chunk(2, dim=-1)  # [frames, bins] each
        power = real**2 + imaginary**2
        log_magnitude = 0.5 * torch.log(power.clamp(min=LOG_FLOOR**2))
        config = self.config
        mean, _ = self.encoder(unit_energy_above(log_magnitude, config.n_fft, config.quietest_db, MIN_SHAPE))
        return mean.T[None]


def encode_delay(config: VaeConfig) -> int:
    """Return the samples by which the centre of a frame's window lags the start of its hop."""
    return config.n_fft // 2 - config.hop


def _decode(shape: VaeConfig) -> Method:
    return Method(
        hop=shape.hop,
        output="magnitudes",
        spectrum=Spectrum(n_fft=shape.n_fft, hop=shape.hop, window="hann", scale="linear"),
        controls=tuple(one.control() for one in (conditions.pitch(), conditions.loudness(shape.quietest_db))),
    )
