"""Export of torch modules to one streaming ONNX file, with the proof that it streams.

A method is a module whose `forward(input, *controls, *states)` returns `(output, *next_states)`; `export.format.graph`
gives the shapes. A file is written only if every division of the same input into chunks gives the same output.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass

import onnx
import torch
from torch import Tensor, nn

from export.bending import bend as bending
from export.errors import ContractError
from export.exported_names import add_prefix, check_names
from export.format.card import AUDIO_IN, Card, Latent, Method
from export.format.graph import FRAMES, merge_methods
from export.format.io import save
from export.format.validation import MIN_OPSET, validate
from export.proof.chunk_equality import Proof, prove
from export.proof.export_measurement import measure
from export.proof.single_frame import fix_to_one_frame
from export.quiet_exporter import quiet_exporter
from export.streaming.explicit_state import ExplicitState
from export.streaming.recurrent_to_onnx import recurrent_as_operators
from export.weight_storage import Weights, quantize

SETTLE_SECONDS = 10.0
SETTLED = 1e-7


@dataclass(frozen=True)
class TorchMethod:
    """A module with its description.

    Attributes
    ----------
    module : nn.Module
        `forward(input, *controls, *states)` returns `(output, *next_states)`.
    method : Method
        Its part of the card, without `rest`.
    states : sequence of Tensor
        The caches before the first frame, in the order of `forward`.
    settle_seconds : float
        Time for the caches to settle, in seconds of sound. Phases never settle.
    """

    module: nn.Module
    method: Method
    states: Sequence[Tensor] = ()
    settle_seconds: float = SETTLE_SECONDS


def export(
    path: str | os.PathLike[str],
    *,
    name: str,
    sample_rate: int,
    methods: dict[str, TorchMethod],
    latent: Latent,
    card: Card | None = None,
    seed: int = 0,
    bend: Sequence[str] | None = None,
    weights: Weights = "fp32",
) -> Proof:
    """Write modules as one model file, if they stream.

    Parameters
    ----------
    path
        The `.onnx` file to write. An existing file is replaced only by a complete new one.
    name, sample_rate, latent
        Entries of the card.
    methods : dict of str to TorchMethod
        By name: `decode`, `encode`, `transform`. Their rest state is found by letting the caches settle.
    card : Card, optional
        Its provenance is copied.
    seed : int
        Seed of the random input of the proof.
    bend : sequence of str, optional
        Layers with live controls, by name or pattern (see `export.bending.bend.bend`). Default: none.
    weights : {"fp32", "fp16", "int8"}
        Type that the weights are stored in (see `export.weight_storage.quantize`).

    Returns
    -------
    Proof
        The differences between chunks and the whole.

    Raises
    ------
    ContractError
        Chunks don't equal the whole, card and graph contradict each other, or a pattern in `bend` matches no layer.
        Nothing is written.
    """
    graphs, described = [], {}
    for key, part in methods.items():
        settled = settle_caches(key, part, latent)
        described[key] = dataclasses.replace(part.method, rest=tuple(s.numpy() for s in settled))
        graphs.append(_export_method(key, part, settled, latent))
    provenance = card.provenance if card else Card(name, sample_rate, {}, latent).provenance
    whole = Card(name, sample_rate, described, latent, provenance)
    model = merge_methods(graphs, name)
    validate(model, whole)
    model, whole, _ = quantize(model, whole, weights)
    if bend is not None:
        model, whole = bending.bend(model, whole, bend)
    proof = prove(model, whole, seed=seed)
    if not proof.holds and fix_to_one_frame(model, whole, proof):
        proof = prove(model, whole, seed=seed)
    if not proof.holds:
        raise ContractError(f"{name} does not stream, and was not written: {proof.failure()}")
    save(path, model, measure(model, whole, proof=proof))
    return proof


def settle_caches(key: str, part: TorchMethod, latent: Latent) -> list[Tensor]:
    """Run a method on its mean latent, or silence, with default controls until its caches settle.

    Returns
    -------
    list of Tensor
        The caches at rest.
    """
    states = [s.detach().clone().float() for s in part.states]
    if not states:
        return states
    module = part.module.eval()
    inputs = _example_inputs(key, part.method, latent, frames=1)
    inputs[0] = torch.tensor(latent.mean).reshape(1, -1, 1) if key == "decode" else torch.zeros_like(inputs[0])
    steps = int(part.settle_seconds * 48_000 / part.method.hop)
    with torch.no_grad():
        for _ in range(max(steps, 1)):
            _, *following = module(*inputs, *states)
            moved = max(float((a - b).abs().max()) for a, b in zip(states, following, strict=True) if a.numel())
            states = [s.clone() for s in following]
            if moved < SETTLED:
                break
    return states


def _example_inputs(key: str, method: Method, latent: Latent, frames: int) -> list[Tensor]:
    """Make an example of the input, and the controls at their defaults, `frames` long."""
    channels = latent.size if key == "decode" else method.channels
    shape = (1, channels, frames * (method.hop if key in AUDIO_IN else 1))
    controls = [torch.full((1, c.size, frames if c.per_frame else 1), float(c.default)) for c in method.controls]
    return [torch.randn(shape), *controls]


def _export_method(key: str, part: TorchMethod, states: list[Tensor], latent: Latent) -> onnx.ModelProto:
    """Export one method, with the tensor names of the format."""
    method = part.method
    arguments = _example_inputs(key, method, latent, frames=5)
    frames = torch.export.Dim(FRAMES, min=1, max=65_536)
    axis = method.hop * frames if key in AUDIO_IN else frames
    free = [{2: frames} if control.per_frame else None for control in method.controls]
    inputs = [f"{key}.input", *(f"{key}.control.{c.name}" for c in method.controls)]
    state_names = [f"{key}.state.{k}" for k in range(len(states))]
    module = part.module.eval()
    try:
        with quiet_exporter(), recurrent_as_operators(), torch.no_grad():
            program = torch.onnx.export(
                module if isinstance(module, ExplicitState) else _Wrapper(module),  # both hold it in `module`
                (*arguments, *states),
                dynamo=True,
                opset_version=MIN_OPSET,
                dynamic_shapes=(({2: axis}, *free, *([None] * len(states))),),
                input_names=[*inputs, *state_names],
                output_names=[f"{key}.output", *(f"{name}.next" for name in state_names)],
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        kind = type(module.module if isinstance(module, ExplicitState) else module).__name__
        raise ContractError(f"The '{key}' of {kind} cannot be exported as a graph: {_cause(error)}.") from error
    assert program is not None
    model = program.model_proto
    return add_prefix(
        check_names(model, [*inputs, *state_names], [f"{key}.output", *(f"{n}.next" for n in state_names)]), key
    )


def _cause(error: BaseException) -> str:
    """Return the first sentence of the innermost error."""
    while error.__cause__ is not None:
        error = error.__cause__
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return first.split(". ")[0].rstrip(".")


class _Wrapper(nn.Module):
    """Gives every module the same signature."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        output, *states = self.module(*tensors)
        return (output, *states)
