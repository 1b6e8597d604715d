"""A playable model becomes the file that is played."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from export.errors import ContractError
from export.format.card import Card, Control, Method
from export.proof.chunk_equality import Proof
from export.quantization import Weights
from export.streaming.explicit_state import with_explicit_state
from export.torch_export import TorchMethod
from export.torch_export import export as export_methods
from models.playable.checkpoint import Playable
from models.playable.graphs import DecodeGraph, EncodeGraph, encode_delay

HOP = 128
"""Samples that a frame makes on stage, 2.7 ms at 48 kHz. The networks look at single frames and know no hop."""

MOST_VOICES = 16
PITCH_RANGE = (24.0, 108.0)
PITCH_DEFAULT = 57.0
LOUDEST_DB = -6.0
LOUDNESS_DEFAULT_DB = -20.0
ATTACK_MS, RELEASE_MS, GLIDE_MS = 1.0, 60.0, 4.0
SETTLE_SECONDS = 0.1  # phases never rest, and all else does after a few frames


def write(
    model: Playable,
    out: Path,
    name: str,
    *,
    voices: int = 1,
    bend: Sequence[str] | None = None,
    weights: Weights = "fp32",
) -> Proof:
    """Write a playable model as a streaming model file, once it has proved that it streams.

    Parameters
    ----------
    model
        As a training made it.
    out, name
        The `.onnx` file to write, and what the model is called.
    voices
        That sound together, each with a pitch and a loudness of its own.
    bend
        Layers that get live controls; see `export.bending.bend.bend`.
    weights
        How they are stored; see `export.quantization.quantize`.

    Raises
    ------
    ContractError
        There are too many voices, or the model doesn't hold what the format promises; nothing is written.
    """
    if not 1 <= voices <= MOST_VOICES:
        raise ContractError(f"A playable model has 1 to {MOST_VOICES} voices, not {voices}.")
    latent, rate = model.latent.to_contract(), model.vae.config.sample_rate
    graph = DecodeGraph(model.vae, model.presets, latent.mean, HOP, voices)
    decode = Method(hop=HOP, output="audio", controls=controls(model, voices))
    encode, caches = with_explicit_state(EncodeGraph(model.hearing, HOP), torch.zeros(1, 1, HOP))
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
    """Describe the live controls: pitch and loudness of each voice, and the instrument.

    The first voice's are called as those of a model with one; `pitch.2` and `loudness.2` are the second's.
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
                LOUDEST_DB,
                unit="dBFS",
                text=level,
                rise_ms=ATTACK_MS,
                fall_ms=RELEASE_MS,
            ),
        ]
    names = ", ".join(f"{k} {name}" for k, name in enumerate(model.presets.instruments, 1))
    text = f"Timbre that the latents start from: {names}; 0 is theirs alone."
    most = float(len(model.presets.instruments))
    return (*found, Control("instrument", 0.0, 0.0, most, text=text))
