"""Export of a playable model: its `decode` and `encode` as streaming graphs, written as a model file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from export.errors import ContractError
from export.format.card import Card, Control, Method
from export.proof.chunk_equality import Proof
from export.streaming.explicit_state import with_explicit_state
from export.streaming.stft import STFT
from export.torch_export import TorchMethod
from export.torch_export import export as export_methods
from export.weight_storage import Weights
from models.data.features import LOG_FLOOR
from models.dsp.log_magnitude import LN_10_OVER_20
from models.harmonics.analysis import SPECTRUM_FFT
from models.harmonics.synth import State, Synth
from models.playable_vae.checkpoint import Playable
from models.playable_vae.instrument_presets import Presets
from models.playable_vae.live_sound_encoder import SpectralEncoder
from models.playable_vae.network import PlayableVae

HOP = 128
"""Samples of a frame on stage, 2.7 ms at 48 kHz. The networks process single frames, so any hop is possible."""

MAX_VOICES = 16
PITCH_RANGE = (24.0, 108.0)
PITCH_DEFAULT = 57.0
MAX_LOUDNESS_DB = -6.0
LOUDNESS_DEFAULT_DB = -20.0
ATTACK_MS, RELEASE_MS, GLIDE_MS = 1.0, 60.0, 4.0
SETTLE_SECONDS = 0.1  # phases never settle; all other state does within a few frames


def write(
    model: Playable,
    out: Path,
    name: str,
    *,
    voices: int = 1,
    bend: Sequence[str] | None = None,
    weights: Weights = "fp32",
) -> Proof:
    """Write a playable model as a streaming model file, once it has proved that chunked equals whole.

    Parameters
    ----------
    model
        The trained model.
    out, name
        The `.onnx` file to write, and the model's name.
    voices
        Number of voices, each with a pitch and a loudness of its own, 1 to 16.
    bend, weights
        See `models.checkpoint_export.export`.

    Returns
    -------
    proof : Proof
        The largest difference between chunked and whole in each method, within the tolerance.

    Raises
    ------
    ContractError
        There are too many voices, or the model doesn't fulfil the format; nothing is written.
    """
    if not 1 <= voices <= MAX_VOICES:
        raise ContractError(f"A playable model has 1 to {MAX_VOICES} voices, not {voices}.")
    latent, rate = model.latent.to_card(), model.vae.config.sample_rate
    graph = DecodeGraph(model.vae, model.presets, latent.mean, HOP, voices)
    decode = Method(hop=HOP, output="audio", controls=controls(model, voices))
    encode, caches = with_explicit_state(EncodeGraph(model.spectral_encoder, HOP), torch.zeros(1, 1, HOP))
    return export_methods(
        out,
        name=name,
        sample_rate=rate,
        methods={
            "decode": TorchMethod(graph, decode, graph.synth.rest().tensors, SETTLE_SECONDS),
            "encode": TorchMethod(encode, Method(hop=HOP, output="latent", delay=encode_delay(HOP)), caches),
        },
        latent=latent,
        card=Card(name, rate, {}, latent, model.provenance),
        bend=bend,
        weights=weights,
    )


def controls(model: Playable, voices: int) -> tuple[Control, ...]:
    """Describe the live controls.

    Parameters
    ----------
    model
        The trained model.
    voices
        Number of voices.

    Returns
    -------
    controls : tuple of Control [len=2 * voices + 1]
        Pitch and loudness of each voice in turn, then the instrument. The first voice has the names of a model with one
        voice; the second has `pitch.2` and `loudness.2`.
    """
    low, high = PITCH_RANGE
    found = []
    for voice in range(1, voices + 1):
        end, whose = (f".{voice}", f" of voice {voice}") if voice > 1 else ("", "")
        pitch = f"Pitch{whose}; 69 is A4, 440 Hz."
        level = f"Level{whose} (RMS); the lowest is silence."
        quietest = model.vae.config.quietest_db
        default = LOUDNESS_DEFAULT_DB if voice == 1 else quietest
        found += [
            Control(f"pitch{end}", PITCH_DEFAULT, low, high, unit="MIDI note", text=pitch, rise_ms=GLIDE_MS),
            Control(
                f"loudness{end}",
                default,
                quietest,
                MAX_LOUDNESS_DB,
                unit="dBFS",
                text=level,
                rise_ms=ATTACK_MS,
                fall_ms=RELEASE_MS,
            ),
        ]
    names = ", ".join(f"{k} {name}" for k, name in enumerate(model.presets.instruments, 1))
    text = f"Timbre that the latents start from: {names}; 0: no preset, latents only."
    most = float(len(model.presets.instruments))
    return (*found, Control("instrument", 0.0, 0.0, most, text=text))


class DecodeGraph(nn.Module):
    """Latent, pitch and loudness of each voice, and an instrument → audio.

    Parameters
    ----------
    vae, presets
        The trained model.
    centre : sequence of float [len=latent]
        The mean latent, at which a preset sounds alone.
    hop
        Samples of a frame.
    voices
        Number of voices; they share one latent and one instrument.
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
            Audio [1, 1, frames * hop], and the state after it.
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
        """Decode the frames of each voice.

        The last frame is decoded twice: a matrix product with a single row is rounded differently, and a stretch that
        differs by one bit soon gives another phase. Frequencies are rounded to float32 at frame boundaries, because a
        stream keeps no more of them.

        Parameters
        ----------
        latent : Tensor [shape=(frames, latent)]
        instrument : Tensor [shape=(frames,)]
            0 for none.
        pitch, loudness : Tensor [shape=(voices, frames)]
            MIDI note number, and RMS in dBFS.

        Returns
        -------
        hz, amplitude : Tensor [shape=(voices, frames, HARMONICS)]
            Of each harmonic.
        noise : Tensor [shape=(voices, frames, BANDS)]
            Standard deviations of the bands.
        """
        latent = torch.cat([latent, latent[-1:]], dim=0)
        instrument = torch.cat([instrument, instrument[-1:]], dim=0)
        pitch, loudness = (torch.cat([one, one[:, -1:]], dim=1) for one in (pitch, loudness))
        level = (torch.exp(loudness * LN_10_OVER_20) - self.silence).clamp(min=0)[..., None]
        coloured = self.coloured(latent, instrument, pitch, loudness)
        hz, amplitude, noise = self.vae.sounding(coloured, pitch, loudness, level)
        return hz[:, :-1], amplitude[:, :-1], noise[:, :-1]

    def coloured(self, latent: Tensor, instrument: Tensor, pitch: Tensor, loudness: Tensor) -> Tensor:
        """Add the preset of an instrument [frames] at each voice's pitch and loudness to latents [frames, latent]."""
        weights = (1 - (instrument[:, None] - self.places).abs()).clamp(min=0)  # [frames, instruments]
        share = weights.sum(dim=-1, keepdim=True)
        mixed = (weights / share.clamp(min=1e-3)).expand(self.voices, -1, -1)
        return latent + share * (self.presets(mixed, pitch, loudness) - self.centre)


class EncodeGraph(nn.Module):
    """Audio → latent, from a streaming STFT whose windows end with their hop."""

    def __init__(self, encoder: SpectralEncoder, hop: int) -> None:
        super().__init__()
        self.hearing = encoder  # this attribute names the layers that can be bent
        self.stft = STFT(SPECTRUM_FFT, hop, centred=False)

    def forward(self, audio: Tensor) -> Tensor:
        """Encode: [1, 1, frames * hop] → [1, latent, frames]."""
        real, imaginary = self.stft(audio)[0].T.chunk(2, dim=-1)  # [frames, bins] each
        power = real**2 + imaginary**2
        latent: Tensor = self.hearing(0.5 * torch.log(power.clamp(min=LOG_FLOOR**2)))
        return latent.T[None]


def encode_delay(hop: int) -> int:
    """Return the samples by which the centre of a frame's window lags the start of its hop."""
    return SPECTRUM_FFT // 2 - hop
