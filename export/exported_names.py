"""Names of tensors and nodes in graphs from torch's ONNX exporter.

Several methods share one graph (see `export.format.graph.merge_methods`), so each method's inner names get the method's
prefix.
"""

from __future__ import annotations

import ast

import onnx

from export.errors import ContractError
from export.format.graph import tensors_read

SCOPES = "pkg.torch.onnx.name_scopes"  # metadata of a node: the submodules that it comes from
PARAMETERS = "parameters."  # prefix of the weights in a model file
WRAPPER = "module."  # prefix of the weights in an exported wrapper


def check_names(model: onnx.ModelProto, inputs: list[str], outputs: list[str]) -> onnx.ModelProto:
    """Check that every input is used and every output present, under its name.

    Returns
    -------
    onnx.ModelProto
        The same object, unchanged.

    Raises
    ------
    ContractError
        An input is not used, or the outputs are others.
    """
    read = {name for node in model.graph.node for name in tensors_read(node)}
    missing = [name for name in inputs if name not in read]
    if missing:
        raise ContractError(f"The module doesn't use {', '.join(missing)}; use it, or leave it out of the card.")
    if [value.name for value in model.graph.output] != outputs:
        names = ", ".join(value.name for value in model.graph.output)
        raise ContractError(f"The exported graph outputs {names}, but {', '.join(outputs)} were expected.")
    return model


def add_prefix(model: onnx.ModelProto, key: str) -> onnx.ModelProto:
    """Prefix the names of inner tensors and nodes with the method's name.

    Weights keep their names in the module, and nodes that of the submodule that they come from: bends use these names.

    Returns
    -------
    onnx.ModelProto
        The same object, changed in place.
    """
    keep = {value.name for value in (*model.graph.input, *model.graph.output)}
    names: dict[str, str] = {"": ""}

    def renamed(name: str) -> str:
        inside = name.removeprefix(WRAPPER)
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
    """Return the name of the submodule that a node comes from, with a trailing slash."""
    metadata = {entry.key: entry.value for entry in node.metadata_props}
    scopes = ast.literal_eval(metadata.get(SCOPES, "[]"))  # outermost module first, the operation last
    part = str(scopes[-2]) if len(scopes) > 1 else ""
    return f"{part.removeprefix(WRAPPER)}/" if part.startswith(WRAPPER) else ""
