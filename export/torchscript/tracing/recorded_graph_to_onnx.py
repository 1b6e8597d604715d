"""A recording as a part of a model file: exported to ONNX, named, pruned, with its noise generated inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx
import torch
from onnx import TensorProto, helper
from torch import Tensor, fx

from export.errors import ContractError
from export.exported_names import add_prefix
from export.format.card import Control
from export.format.validation import MIN_OPSET
from export.quiet_exporter import quiet_exporter
from export.torchscript.script.nn_tilde import error_line
from export.torchscript.tracing.recorded_graph import Recording
from export.torchscript.tracing.repeatable_noise import AMOUNT, SEED, SEEDS, noise_nodes


@dataclass(frozen=True)
class MethodGraph:
    """The graph of a method.

    Attributes
    ----------
    model : onnx.ModelProto
    states : list of int
        Positions of its states among the recorded ones.
    controls : tuple of Control
    noisy : bool
        Whether it has noise, with a counter as its last state.
    """

    model: onnx.ModelProto
    states: list[int]
    controls: tuple[Control, ...]
    noisy: bool


def needed_states(graph: fx.Graph, states: int) -> list[int]:
    """List the states that the output depends on, directly or through other states."""
    inputs = [node for node in graph.nodes if node.op == "placeholder"][1 : 1 + states]
    outputs = next(iter(reversed(graph.nodes))).args[0]
    found: set[int] = set()
    pending = [outputs[0]]
    seen: set[fx.Node] = set()
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        if node in inputs:
            k = inputs.index(node)
            found.add(k)
            pending.append(outputs[1 + k])
        pending.extend(node.all_input_nodes)
    return sorted(found)


def assemble(
    key: str, recording: Recording, given: Tensor, states: Sequence[Tensor], controls: Sequence[Control], seed: int
) -> MethodGraph:
    """Export a recording to ONNX.

    Parameters
    ----------
    key
        Name of the method in the model file.
    given, states
        Examples of the input and of the states, in the recording's order.
    controls
        The controls of its last inputs.
    seed
        Default of the control `noise.seed`.

    Returns
    -------
    MethodGraph

    Raises
    ------
    ContractError
        An operator has no counterpart in ONNX.
    """
    graph = recording.graph
    kept = needed_states(graph, len(states))
    _drop_states(graph, kept, len(states))
    graph.eliminate_dead_code()
    names = [f"{key}.input", *(f"{key}.state.{k}" for k in range(len(kept)))]
    noises = [f"{key}.noise.drawn.{k}" for k in range(len(recording.draws))]
    control_names = [f"{key}.control.{control.name}" for control in controls]
    placeholders = [node for node in graph.nodes if node.op == "placeholder"]
    drawn = [node for node in placeholders if node.name.startswith("noise_")]
    frames = recording.frames
    examples = [given, *(states[k] for k in kept)]
    examples += [torch.zeros(frames, draw.size) for draw in recording.draws]
    examples += [torch.full((1, control.size, 1), control.default) for control in controls]
    assert len(drawn) == len(noises)
    assert len(placeholders) == len(examples)
    module = recording.module()
    try:
        with quiet_exporter(), torch.no_grad():
            program = torch.onnx.export(
                module,
                tuple(examples),
                dynamo=True,
                opset_version=MIN_OPSET,
                input_names=[*names, *noises, *control_names],
                verbose=False,
            )
    except Exception as error:  # the exporter's errors have no common base
        raise ContractError(f"'{key}' has an operator without a counterpart in ONNX: {error_line(error)}.") from None
    assert program is not None
    model = program.model_proto
    _name_outputs(model, [f"{key}.output", *(f"{name}.next" for name in names[1:])])
    controls = tuple(controls)
    if noises:
        controls += _add_noise(model, recording, key, noises, len(kept), seed)
    return MethodGraph(add_prefix(model, key), kept, controls, bool(noises))


def _drop_states(graph: fx.Graph, kept: list[int], states: int) -> None:
    """Remove the states that the output doesn't depend on."""
    inputs = [node for node in graph.nodes if node.op == "placeholder"][1 : 1 + states]
    output = next(iter(reversed(graph.nodes)))
    given = output.args[0]
    output.args = ((given[0], *(given[1 + k] for k in kept)),)
    graph.eliminate_dead_code()
    for k, node in enumerate(inputs):
        if k not in kept:
            graph.erase_node(node)


def _name_outputs(model: onnx.ModelProto, names: list[str]) -> None:
    """Name each output with an Identity node, so that two outputs may be the same tensor."""
    for value, name in zip(model.graph.output, names, strict=True):
        model.graph.node.append(helper.make_node("Identity", [value.name], [name], name=name))
        value.name = name


def _add_noise(
    model: onnx.ModelProto, recording: Recording, key: str, noises: list[str], states: int, seed: int
) -> tuple[Control, ...]:
    """Replace the inputs of noise by a generator with two controls and a counter."""
    graph = model.graph
    counter = f"{key}.state.{states}"
    made = noise_nodes(recording.draws, noises, key, counter, recording.frames)
    kept = [value for value in graph.input if value.name not in noises]
    del graph.input[:]
    graph.input.extend(kept)
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*made.nodes, *nodes])
    graph.initializer.extend(made.weights)
    number = TensorProto.FLOAT
    graph.input.extend(
        helper.make_tensor_value_info(f"{key}.control.{name}", number, [1, 1, 1]) for name in (AMOUNT, SEED)
    )
    graph.input.append(helper.make_tensor_value_info(counter, number, [1]))
    graph.output.append(helper.make_tensor_value_info(f"{counter}.next", number, [1]))
    return (
        Control(AMOUNT, 1.0, 0.0, 2.0, text="Amount of the model's noise: 1 as in the model, 0 none."),
        Control(SEED, float(seed % SEEDS), 0.0, float(SEEDS - 1), text="Seed of the noise, a whole number."),
    )
