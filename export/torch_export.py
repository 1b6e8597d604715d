"""Torch modules become one streaming ONNX file, and the proof that it streams comes first.

A method is a module whose `forward(input, *controls, *states)` gives `(output, *next_states)`, all of them explicit
(see `export.format.graph` for the shapes). Nothing is written before the graph has shown that any cut of the same
input gives the same output.
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
from export.format.card import AUDIO_IN, Card, Latent, Method
from export.format.graph import FRAMES
from export.format.io import save
from export.format.validation import MIN_OPSET, validate
from export.onnx_naming import add_prefix, check_names, merge_methods, quiet_exporter
from export.proof.chunk_equality import Proof, prove
from export.proof.measurement import measure
from export.proof.single_frame import fix_to_one_frame
from export.quantization import Weights, quantize
from export.streaming.explicit_state import ExplicitState
from export.streaming.recurrent import recurrent_as_operators

SETTLE_SECONDS = 10.0
SETTLED = 1e-7


@dataclass(frozen=True)
class TorchMethod:
    """A module and what it is: `states` are its caches before the first frame, in the order `forward` takes them.

    They are given `settle_seconds` to come to rest; what turns round and round, as phases do, never would.
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
    """Write `methods` as one model file, if it holds what the format promises.

    Parameters
    ----------
    path
        The `.onnx` file to write; an existing one is replaced only when the new one is whole.
    name, sample_rate, latent
        What the card says of the model; `card` may give the rest (provenance).
    methods
        By name: `decode`, `encode`, `transform`. Their `rest` is found here, by letting the caches settle.
    seed
        Of the random input that the proof runs on.
    bend
        Layers that get live controls, by name or pattern (see `export.bending.bend.bend`); None leaves the model as it
        is.
    weights
        How they are stored; see `export.quantization.quantize`.

    Returns
    -------
    Proof
        What was measured.

    Raises
    ------
    ContractError
        Chunks don't equal the whole, card and graph contradict each other, or no layer is called as one in `bend`;
        nothing is written.
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
    """Run a method on its mean latent (or silence) with default controls until its caches stand still."""
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
    """Make the input and the controls at their defaults, `frames` long."""
    channels = latent.size if key == "decode" else method.channels
    shape = (1, channels, frames * (method.hop if key in AUDIO_IN else 1))
    controls = [torch.full((1, c.size, frames if c.per_frame else 1), float(c.default)) for c in method.controls]
    return [torch.randn(shape), *controls]


def _export_method(key: str, part: TorchMethod, states: list[Tensor], latent: Latent) -> onnx.ModelProto:
    """Export one method with its tensors named as the format wants, every inner name behind the method's prefix."""
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
                module
                if isinstance(module, ExplicitState)
                else _Wrapper(module),  # either way its weights are in `module.`
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
        raise ContractError(f"The '{key}' of {kind} cannot be written as a graph: {_cause(error)}.") from error
    assert program is not None
    model = program.model_proto
    return add_prefix(
        check_names(model, [*inputs, *state_names], [f"{key}.output", *(f"{n}.next" for n in state_names)]), key
    )


def _cause(error: BaseException) -> str:
    """Find what the exporter stumbled over: the first sentence of the innermost error."""
    while error.__cause__ is not None:
        error = error.__cause__
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return first.split(". ")[0].rstrip(".")


class _Wrapper(nn.Module):
    """Gives every method the same signature, whatever its own argument names are."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        output, *states = self.module(*tensors)
        return (output, *states)
