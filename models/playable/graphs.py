"""The two ways through a playable model as they stream."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from export.streaming.stft import STFT
from models.data.features import LOG_FLOOR
from models.harmonics.analysis import SPECTRUM_FFT
from models.harmonics.synth import State, Synth
from models.playable.instruments import Presets
from models.playable.network import PlayableVae
from models.playable.spectral_encoder import Hearing
from models.spectral.network import LN_10_OVER_20


class DecodeGraph(nn.Module):
    """Latent, pitch and loudness of each voice, and an instrument → audio.

    Parameters
    ----------
    vae, presets
        The trained model.
    centre
        The mean latent: where latents stand when a preset alone is heard.
    hop
        Samples that a frame makes.
    voices
        That sound together, with one latent and one instrument.
    """

    centre: Tensor
    places: Tensor

    def __init__(self, vae: PlayableVae, presets: Presets, centre: Sequence[float], hop: int, voices: int) -> None:
        super().__init__()
        self.vae, self.presets, self.voices = vae, presets, voices
        self.synth = Synth(vae.config.sample_rate, hop, voices)
        self.silence = math.exp(vae.config.quietest_db * LN_10_OVER_20)
        self.register_buffer("centre", torch.tensor(centre), persistent=False)
        self.register_buffer("places", torch.arange(1.0, len(presets.instruments) + 1), persistent=False)

    def forward(self, latent: Tensor, *given: Tensor) -> tuple[Tensor, ...]:
        """Decode.

        Parameters
        ----------
        latent : Tensor [shape=(1, latent, frames)]
        given
            Pitch (MIDI note number) and loudness (RMS, dBFS; the quietest is silence) of each voice in turn, then the
            instrument (0 for none), each [1, 1, frames]; then the state of the synthesiser.

        Returns
        -------
        tuple of Tensor
            Audio [1, 1, frames * hop], and the state as it is then.
        """
        controls, states = given[: 2 * self.voices + 1], given[2 * self.voices + 1 :]
        pitch = torch.cat(controls[0:-1:2], dim=1)[0]  # [voices, frames]
        loudness = torch.cat(controls[1:-1:2], dim=1)[0]
        hz, amplitude, noise = self.drawn(latent[0].T, controls[-1][0, 0], pitch, loudness)  # [voices, frames, …] each
        together = noise[0] if self.voices == 1 else torch.sqrt((noise**2).sum(dim=0))
        audio, state = self.synth(hz, amplitude, together, State(*states))
        return (audio[None, None], *state.tensors)

    def drawn(
        self, latent: Tensor, instrument: Tensor, pitch: Tensor, loudness: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Let the networks draw each voice's frames, [voices, frames, …]: Hz, amplitudes and noise.

        The last frame is drawn twice: a product of a matrix with a single row is rounded in a way of its own, and a
        stretch that is off by one bit would be another phase before long. Frequencies are taken to float32 where frames
        part: a stream keeps no more of them.
        """
        latent = torch.cat([latent, latent[-1:]], dim=0)
        instrument = torch.cat([instrument, instrument[-1:]], dim=0)
        pitch, loudness = (torch.cat([told, told[:, -1:]], dim=1) for told in (pitch, loudness))
        level = (torch.exp(loudness * LN_10_OVER_20) - self.silence).clamp(min=0)[..., None]
        coloured = self.coloured(latent, instrument, pitch, loudness)
        hz, amplitude, noise = self.vae.sounding(coloured, pitch, loudness, level)
        return hz[:, :-1], amplitude[:, :-1], noise[:, :-1]

    def coloured(self, latent: Tensor, instrument: Tensor, pitch: Tensor, loudness: Tensor) -> Tensor:
        """Move latents [frames, latent] to where the instrument [frames] is at each voice's pitch and loudness."""
        weights = (1 - (instrument[:, None] - self.places).abs()).clamp(min=0)  # [frames, instruments]
        share = weights.sum(dim=-1, keepdim=True)
        mixed = (weights / share.clamp(min=1e-3)).expand(self.voices, -1, -1)
        return latent + share * (self.presets(mixed, pitch, loudness) - self.centre)


class EncodeGraph(nn.Module):
    """Audio → latent; each spectrum's window ends with its hop."""

    def __init__(self, hearing: Hearing, hop: int) -> None:
        super().__init__()
        self.hearing = hearing
        self.stft = STFT(SPECTRUM_FFT, hop, centred=False)

    def forward(self, audio: Tensor) -> Tensor:
        """Encode: [1, 1, frames * hop] → [1, latent, frames]."""
        real, imaginary = self.stft(audio)[0].T.chunk(2, dim=-1)  # [frames, bins] each
        power = real**2 + imaginary**2
        latent: Tensor = self.hearing(0.5 * torch.log(power.clamp(min=LOG_FLOOR**2)))
        return latent.T[None]


def encode_delay(hop: int) -> int:
    """Samples by which the middle of a frame's window lags the start of the hop that it stands for."""
    return SPECTRUM_FFT // 2 - hop
