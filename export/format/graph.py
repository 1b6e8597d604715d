"""The graph of a model file: its tensors, and operations on it in memory.

A model is a single `.onnx` file with up to four methods in one graph. The names of a method's tensors begin with the
name of the method. For a method `m` they are

=======================  ===================================================================================
`m.input`                latent ``[1, L, frames]`` (decode), audio ``[1, C, frames * hop]`` (encode, transform) or the
                         input of a generator of latents, ``[1, C, frames]`` (prior)
`m.output`               audio ``[1, C, frames * hop]``, magnitudes ``[1, rows, frames * n]`` (with n spectral frames a
                         hop) or latent ``[1, L, frames]``
`m.control.<name>`       a live control: ``[1, size, frames]`` if it is per frame, else ``[1, size, 1]``
`m.state.<k>`            a cache as input, of a fixed shape
`m.state.<k>.next`       the same cache as output
=======================  ===================================================================================

There is no hidden state: a host can reset, store and restore every cache. The axis of frames is free, or fixed to one
frame if a graph for any number of frames is not possible.
"""

from __future__ import annotations

from dataclasses import replace

import onnx

from export.errors import ContractError
from export.format.card import BEND, SCALE, SHIFT, Card, is_bend_control

FRAMES = "frames"  # name of the free axis


def one_frame(model: onnx.ModelProto, name: str) -> bool:
    """Whether a method's graph takes exactly one frame a step."""
    value = next(value for value in model.graph.input if value.name == f"{name}.input")
    return value.type.tensor_type.shape.dim[2].HasField("dim_value")


def split(model: onnx.ModelProto, method: str) -> onnx.ModelProto:
    """Extract one method from a graph: the nodes that its outputs need, and nothing else."""
    graph = model.graph
    producer = {output: node for node in graph.node for output in node.output}
    outputs = [value for value in graph.output if value.name.startswith(f"{method}.")]
    needed: set[int] = set()
    tensors: set[str] = set()
    pending = [value.name for value in outputs]
    while pending:
        name = pending.pop()
        if name in tensors or not name:
            continue
        tensors.add(name)
        node = producer.get(name)
        if node is not None and id(node) not in needed:
            needed.add(id(node))
            pending.extend(tensors_read(node))
    part = onnx.ModelProto()
    part.CopyFrom(_without_graph(model))
    part.graph.name = method
    part.graph.node.extend(node for node in graph.node if id(node) in needed)
    part.graph.input.extend(value for value in graph.input if value.name.startswith(f"{method}."))
    part.graph.output.extend(outputs)
    part.graph.initializer.extend(tensor for tensor in graph.initializer if tensor.name in tensors)
    return part


def merge_methods(graphs: list[onnx.ModelProto], name: str) -> onnx.ModelProto:
    """Merge the graphs of several methods into one."""
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
    for node in model.graph.node:  # the exporter stores stack traces with local paths
        del node.metadata_props[:]
        node.doc_string = ""
    return model


def unbent(model: onnx.ModelProto, card: Card) -> tuple[onnx.ModelProto, Card]:
    """Remove the bends from a graph, so that it equals the graph before bending, node by node.

    Its samples equal those of the bent graph at rest, without the cost of the bends.

    Returns
    -------
    model : onnx.ModelProto
    card : Card
        Without the controls of the bends.

    Raises
    ------
    ContractError
        The graph uses a bend's controls in another way than as scale and shift.
    """
    scales, shifts = (
        {f"{name}.control.{BEND}{bend.layer}{end}" for name, method in card.methods.items() for bend in method.bends}
        for end in (SCALE, SHIFT)
    )
    controls = scales | shifts
    if not controls:
        return model, card
    kept: list[onnx.NodeProto] = []
    names: dict[str, str] = {}  # input of a scale or a shift → its output
    for node in model.graph.node:
        first, last = (node.input[0], node.input[-1]) if node.input else ("", "")
        if node.op_type == "Reshape" and (first in scales or first in shifts):
            (scales if first in scales else shifts).add(node.output[0])
        elif last in {"Mul": scales, "Add": shifts}.get(node.op_type, ()) and first not in names:
            names[first] = node.output[0]
        else:
            kept.append(node)
    controls = scales | shifts
    made = {output for node in model.graph.node for output in node.output}
    if any(name in controls for node in kept for name in tensors_read(node)) or not names.keys() <= made:
        raise ContractError(
            "the graph uses a bend's controls in another way than as scale and shift; bend the model again."
        )
    for name in reversed(names):
        names[name] = names.get(names[name], names[name])
    part = _without_graph(model)
    part.graph.name = model.graph.name
    part.graph.node.extend(kept)
    for node in part.graph.node:
        _rename(node, names)
    read = {name for node in part.graph.node for name in tensors_read(node)} | {
        value.name for value in model.graph.output
    }
    part.graph.input.extend(value for value in model.graph.input if value.name not in controls)
    part.graph.output.extend(model.graph.output)
    part.graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name in read)
    methods = {
        name: replace(method, controls=tuple(c for c in method.controls if not is_bend_control(c.name)))
        for name, method in card.methods.items()
    }
    return part, replace(card, methods=methods)


def tensors_read(node: onnx.NodeProto) -> list[str]:
    """List the tensors that a node reads, including those of its inner graphs (If, Loop, Scan)."""
    names = list(node.input)
    for graph in inner_graphs(node):
        for inner in graph.node:
            names.extend(tensors_read(inner))
        names.extend(value.name for value in graph.output)
    return names


def _rename(node: onnx.NodeProto, names: dict[str, str]) -> None:
    """Rename tensors in a node and in the nodes inside it."""
    node.input[:] = [names.get(name, name) for name in node.input]
    node.output[:] = [names.get(name, name) for name in node.output]
    for graph in inner_graphs(node):
        for inner in graph.node:
            _rename(inner, names)
        for value in graph.output:
            value.name = names.get(value.name, value.name)


def inner_graphs(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """Return the graphs inside a node (If, Loop, Scan)."""
    singles = [attribute.g for attribute in node.attribute if attribute.type == onnx.AttributeProto.GRAPH]
    return [*singles, *(graph for attribute in node.attribute for graph in attribute.graphs)]


def _without_graph(model: onnx.ModelProto) -> onnx.ModelProto:
    shell = onnx.ModelProto()
    shell.ir_version = model.ir_version
    shell.opset_import.extend(model.opset_import)
    shell.functions.extend(model.functions)
    return shell
