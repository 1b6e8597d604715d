"""Export of a generator: `transform`, from live audio to mel spectra, as a streaming graph in a model file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from export.format.card import Card, Latent, Method
from export.proof.chunk_equality import Proof
from export.streaming.explicit_state import with_explicit_state
from export.torch_export import TorchMethod
from export.torch_export import export as export_methods
from export.weight_storage import Weights
from models.dsp.log_mel import LogMel, LogMelAnalysis
from models.travelgan.checkpoint import TrainedGenerator

SETTLE_SECONDS = 4.0


class TransformStream(nn.Module):
    """Audio → its transformation, as natural logarithms of the power in mel bands."""

    def __init__(self, generator: nn.Module, scale: LogMel) -> None:
        super().__init__()
        self.analysis, self.generator, self.scale = LogMelAnalysis(scale), generator, scale

    def forward(self, audio: Tensor) -> Tensor:
        """[1, 1, frames * hop] → [1, bands, frames * hop / scale.hop]."""
        return self.scale.to_log_power(self.generator(self.analysis(audio)))


def delay(scale: LogMel) -> int:
    """Return the samples by which the centre of a frame's window lags the start of its hop."""
    return scale.n_fft // 2 - scale.hop


def method(model: TrainedGenerator) -> Method:
    """Describe `transform`; a step takes as many spectral frames as the generator."""
    scale = model.scale
    hop = model.config.pace * scale.hop
    return Method(hop, "magnitudes", delay=delay(scale), spectrum=scale.spectrum)


def write(
    model: TrainedGenerator,
    out: Path,
    name: str,
    *,
    bend: Sequence[str] | None = None,
    weights: Weights = "fp32",
) -> Proof:
    """Write a generator as a streaming model file, once it has proved that chunked equals whole.

    Parameters
    ----------
    model
        The trained generator.
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
    described, scale = method(model), model.scale
    stream, caches = with_explicit_state(TransformStream(model.generator, scale), torch.zeros(1, 1, 2 * described.hop))
    provenance = replace(model.provenance, notes=f"{model.provenance.notes} {notes(model)}".strip())
    latent = Latent.plain(0)
    return export_methods(
        out,
        name=name,
        sample_rate=scale.sample_rate,
        methods={"transform": TorchMethod(stream, described, caches, SETTLE_SECONDS)},
        latent=latent,
        card=Card(name, scale.sample_rate, {}, latent, provenance),
        bend=bend,
        weights=weights,
    )


def notes(model: TrainedGenerator) -> str:
    """Describe the latency of a model for its card."""
    one, rate = method(model), model.scale.sample_rate
    parts = " and ".join(str(part) for part in model.parts)
    how = f"in parts of {parts} frames" if len(model.parts) > 1 else "at once"
    return (
        f"A step takes {one.hop} samples ({1000 * one.hop / rate:.1f} ms) for {one.gives} frames; no look-ahead; "
        f"the analysis lags by {one.delay} samples ({1000 * one.delay / rate:.1f} ms); inversion comes on top. "
        f"Trained on spectrograms of {sum(model.parts)} frames, made {how}."
    )
