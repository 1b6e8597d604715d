"""Torch modules become one streaming ONNX file, and the proof that it streams comes first.

A method is a module whose `forward(input, *controls, *states)` gives `(output, *next_states)`, all of them explicit
(see `export.format.graph` for the shapes). Nothing is written before the graph has shown that any cut of the same
input gives the same output.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import io
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import onnx
import torch
from torch import Tensor, nn

from export.bending import bend as bending
from export.bending.bend import PARAMETERS
from export.errors import ContractError
from export.format.card import AUDIO_IN, Card, Latent, Method
from export.format.graph import FRAMES, reads
from export.format.io import save
from export.format.validation import MIN_OPSET, validate
from export.proof.chunk_equality import Proof, prove
from export.proof.measurement import measure
from export.proof.single_frame import one_at_a_time
from export.quantization import Weights, lighter
from export.streaming.explicit_state import Explicit
from export.streaming.recurrent import as_operators

SETTLE_SECONDS = 10.0
SETTLED = 1e-7
SCOPES = "pkg.torch.onnx.name_scopes"
OURS = "module."  # what `_Flat` puts before the names of a module's weights


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
        How they are stored; see `export.quantization.lighter`.

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
        settled = settle(key, part, latent)
        described[key] = dataclasses.replace(part.method, rest=tuple(s.numpy() for s in settled))
        graphs.append(_graph(key, part, settled, latent))
    provenance = card.provenance if card else Card(name, sample_rate, {}, latent).provenance
    whole = Card(name, sample_rate, described, latent, provenance)
    model = join(graphs, name)
    validate(model, whole)
    model, whole, _ = lighter(model, whole, weights)
    if bend is not None:
        model, whole = bending.bend(model, whole, bend)
    proof = prove(model, whole, seed=seed)
    if not proof.holds and one_at_a_time(model, whole, proof):
        proof = prove(model, whole, seed=seed)
    if not proof.holds:
        raise ContractError(f"{name} does not stream, and was not written: {proof.failure()}")
    save(path, model, measure(model, whole, proof=proof))
    return proof


def settle(key: str, part: TorchMethod, latent: Latent) -> list[Tensor]:
    """Run a method on its mean latent (or silence) with default controls until its caches stand still."""
    states = [s.detach().clone().float() for s in part.states]
    if not states:
        return states
    module = part.module.eval()
    inputs = _example(key, part.method, latent, frames=1)
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


def _example(key: str, method: Method, latent: Latent, frames: int) -> list[Tensor]:
    """Make the input and the controls at their defaults, `frames` long."""
    channels = latent.size if key == "decode" else method.channels
    shape = (1, channels, frames * (method.hop if key in AUDIO_IN else 1))
    controls = [torch.full((1, c.size, frames if c.per_frame else 1), float(c.default)) for c in method.controls]
    return [torch.randn(shape), *controls]


def _graph(key: str, part: TorchMethod, states: list[Tensor], latent: Latent) -> onnx.ModelProto:
    """Export one method with its tensors named as the format wants, every inner name behind the method's prefix."""
    method = part.method
    arguments = _example(key, method, latent, frames=5)
    frames = torch.export.Dim(FRAMES, min=1, max=65_536)
    axis = method.hop * frames if key in AUDIO_IN else frames
    free = [{2: frames} if control.per_frame else None for control in method.controls]
    inputs = [f"{key}.input", *(f"{key}.control.{c.name}" for c in method.controls)]
    state_names = [f"{key}.state.{k}" for k in range(len(states))]
    module = part.module.eval()
    try:
        with _quiet(), as_operators(), torch.no_grad():
            program = torch.onnx.export(
                module if isinstance(module, Explicit) else _Flat(module),  # either way its weights are in `module.`
                (*arguments, *states),
                dynamo=True,
                opset_version=MIN_OPSET,
                dynamic_shapes=(({2: axis}, *free, *([None] * len(states))),),
                input_names=[*inputs, *state_names],
                output_names=[f"{key}.output", *(f"{name}.next" for name in state_names)],
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        kind = type(module.module if isinstance(module, Explicit) else module).__name__
        raise ContractError(f"The '{key}' of {kind} cannot be written as a graph: {_cause(error)}.") from error
    assert program is not None
    model = program.model_proto
    return _prefixed(
        _named(model, [*inputs, *state_names], [f"{key}.output", *(f"{n}.next" for n in state_names)]), key
    )


def _cause(error: BaseException) -> str:
    """Find what the exporter stumbled over: the first sentence of the innermost error."""
    while error.__cause__ is not None:
        error = error.__cause__
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return first.split(". ")[0].rstrip(".")


class _Flat(nn.Module):
    """Gives every method the same signature, whatever its own argument names are."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        output, *states = self.module(*tensors)
        return (output, *states)


def _named(model: onnx.ModelProto, inputs: list[str], outputs: list[str]) -> onnx.ModelProto:
    """Check that every input is read and every output there, under its name."""
    read = {name for node in model.graph.node for name in reads(node)}
    missing = [name for name in inputs if name not in read]
    if missing:
        raise ContractError(f"The module doesn't read {', '.join(missing)}; leave it out of the card, or use it.")
    if [value.name for value in model.graph.output] != outputs:
        names = ", ".join(value.name for value in model.graph.output)
        raise ContractError(f"The exported graph gives {names} where {', '.join(outputs)} were expected.")
    return model


def _prefixed(model: onnx.ModelProto, key: str) -> onnx.ModelProto:
    """Put the method's name before every inner tensor and node, so that several methods fit into one graph.

    Weights keep the names that the module has for them, and nodes those of the part of the module that they come from:
    layers are called by these.
    """
    keep = {value.name for value in (*model.graph.input, *model.graph.output)}
    names: dict[str, str] = {"": ""}

    def renamed(name: str) -> str:
        inside = name.removeprefix(OURS)
        new = f"{key}.inner.{len(names)}" if inside == name else f"{key}.{PARAMETERS}{inside}"
        return name if name in keep else names.setdefault(name, new)

    def rename(graph: onnx.GraphProto) -> None:
        for tensor in graph.initializer:
            tensor.name = renamed(tensor.name)
        for node in graph.node:
            node.name = f"{key}.{_origin(node)}{node.name}" if node.name else ""
            node.input[:] = [renamed(name) for name in node.input]
            node.output[:] = [renamed(name) for name in node.output]
            for attribute in node.attribute:
                inside = [attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else []
                for inner in (*inside, *attribute.graphs):
                    rename(inner)
                    for value in (*inner.input, *inner.output):
                        value.name = renamed(value.name)
        del graph.value_info[:]

    rename(model.graph)
    return model


def _origin(node: onnx.NodeProto) -> str:
    """Tell from the exporter's notes which part of the module a node comes from, with a slash behind it."""
    notes = {entry.key: entry.value for entry in node.metadata_props}
    scopes = ast.literal_eval(notes.get(SCOPES, "[]"))  # from the whole to the part, and then the operation
    part = str(scopes[-2]) if len(scopes) > 1 else ""
    return f"{part.removeprefix(OURS)}/" if part.startswith(OURS) else ""


def join(graphs: list[onnx.ModelProto], name: str) -> onnx.ModelProto:
    """Lay the methods' graphs side by side in one."""
    model = onnx.ModelProto()
    model.CopyFrom(graphs[0])
    for other in graphs[1:]:
        for part in ("node", "initializer", "input", "output"):
            getattr(model.graph, part).extend(getattr(other.graph, part))
        known = {(f.domain, f.name) for f in model.functions}
        model.functions.extend(f for f in other.functions if (f.domain, f.name) not in known)
        domains = {entry.domain for entry in model.opset_import}
        model.opset_import.extend(entry for entry in other.opset_import if entry.domain not in domains)
    model.graph.name = "".join(c if c.isalnum() else "_" for c in name)
    model.producer_name = "glitch-live"
    for node in model.graph.node:  # the exporter leaves stack traces of the machine it ran on
        del node.metadata_props[:]
        node.doc_string = ""
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress, its warnings and what it says of a failure off the terminal."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        nowhere = io.StringIO()
        with warnings.catch_warnings(), contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
