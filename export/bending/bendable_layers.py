"""The layers of a graph that can be bent: found, named for players, and chosen by name or pattern.

Layers are named after their weights in the model, or after the submodule that they come from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import onnx

from export.errors import ContractError
from export.exported_names import PARAMETERS
from export.format.card import LATENT_OUT, Card
from export.format.graph import split, tensors_read, unbent

MAX_LAYERS = 64  # of a method; each takes five rows of the stage's table of parameters


AUTO_LAYERS = 16


RECURRENT = ("GRU", "LSTM", "RNN")


_WEIGHT_SUFFIX = re.compile(r"[._](weight|weight_[vg]|weight_[ih]h_l\d+|original\d|parametrizations|kernel)$")


_UNTRAINED = re.compile(r"\bfourier\.")  # matrices of Fourier transforms, which nobody trained


_MEANINGLESS = re.compile(r"(inner\W|val_|_?(lifted_)?tensor_constant|_param_constant|t_|permute_|transpose_)?\d*")


@dataclass(frozen=True)
class BendableLayer:
    """A layer that can be bent.

    Attributes
    ----------
    method, name : str
        Its method, and its name within it.
    kind : str
        Its operator: `Conv`, `ConvTranspose`, `Gemm`, `MatMul`, `GRU`, `LSTM` or `RNN`.
    channels : int
        Number of its scales and shifts.
    tensors : tuple of str
        Its outputs after the bias; several if its weights are used more than once.
    shape : tuple of int
        Shape that a control [1, channels, 1] is reshaped to, to broadcast with the outputs.
    """

    method: str
    name: str
    kind: str
    channels: int
    tensors: tuple[str, ...]
    shape: tuple[int, ...]


def find_layers(model: onnx.ModelProto, card: Card) -> list[BendableLayer]:
    """List the layers of a model that can be bent, in the order of processing, including those that have bends."""
    return all_layers(*unbent(model, card))


def select_layers(found: Sequence[BendableLayer], wanted: Sequence[str] | None) -> list[BendableLayer]:
    """Choose layers by names and patterns.

    Parameters
    ----------
    found
        All layers that can be bent.
    wanted
        See `export.bending.bend.bend`.

    Returns
    -------
    list of BendableLayer
        In the order of `found`.

    Raises
    ------
    ContractError
        A pattern matches no layer, there are none, or too many were chosen.
    """
    if not found:
        raise ContractError(
            "The model has no layer that can be bent: no convolution, dense or recurrent layer with fixed weights."
        )
    meant: set[BendableLayer] = set()
    for pattern in wanted or ["auto"]:
        if pattern == "auto":
            matching = _evenly_spaced([layer for layer in found if layer.channels > 1] or list(found))
        else:
            matching = [layer for layer in found if pattern == "all" or fnmatchcase(layer.name, pattern)]
        if not matching:
            names = ", ".join(layer.name for layer in found[:8]) + (" …" if len(found) > 8 else "")
            raise ContractError(f"There is no layer '{pattern}' to bend; there are: {names}.")
        meant.update(matching)
    chosen = [layer for layer in found if layer in meant]
    for method in {layer.method for layer in chosen}:
        count = sum(layer.method == method for layer in chosen)
        if count > MAX_LAYERS:
            raise ContractError(
                f"{count} layers of '{method}' would be bent, more than {MAX_LAYERS}; choose some by name."
            )
    return chosen


def _evenly_spaced(found: list[BendableLayer]) -> list[BendableLayer]:
    """Choose at most `AUTO_LAYERS` layers at equal distances."""
    places = np.linspace(0, len(found) - 1, min(AUTO_LAYERS, len(found))).round().astype(int)
    return [found[k] for k in sorted(set(places.tolist()))]


def all_layers(model: onnx.ModelProto, card: Card) -> list[BendableLayer]:
    """List the layers of a model without bends that can be bent."""
    return [
        layer
        for name in card.methods
        if name not in LATENT_OUT
        for layer in _layers_of_method(name, split(model, name))
    ]


def _layers_of_method(method: str, part: onnx.ModelProto) -> Iterator[BendableLayer]:
    graph = onnx.shape_inference.infer_shapes(part).graph
    tensors = _TensorInfo(graph)
    found: dict[tuple[str, str, int, tuple[int, ...]], list[str]] = {}
    origins: dict[str, str] = {}
    for node in graph.node:
        tensors.add(node)
        seen = _layer_at(node, tensors)
        if seen is None:
            continue
        weight, channels, shape = seen
        tensor, root = tensors.with_bias(node.output[0], channels), tensors.root(weight)
        if tensors.is_float(tensor) and not _UNTRAINED.search(root):
            origins.setdefault(root, node.name.rpartition("/")[0])
            found.setdefault((root, node.op_type, channels, shape), []).append(tensor)
    taken: set[str] = set()
    for k, ((root, kind, channels, shape), given) in enumerate(found.items()):
        called = _readable_name(root, method) or _readable_name(origins[root], method) or f"{kind.lower()}_{k + 1}"
        name = _unused_name(called, taken)
        taken.add(name)
        yield BendableLayer(method, name, kind, channels, tuple(given), shape)


def _layer_at(node: onnx.NodeProto, tensors: _TensorInfo) -> tuple[str, int, tuple[int, ...]] | None:
    """Give the weights of a node, its channels, and their place in its output; None if it can't be bent."""
    kind = node.op_type
    if kind in ("Conv", "ConvTranspose", "Gemm", *RECURRENT):
        weight, other = node.input[1], node.input[0]
    elif kind == "MatMul":
        weight, other = sorted(node.input, key=lambda name: name not in tensors.constant)
    else:
        return None
    shape = tensors.shapes.get(weight)
    if weight not in tensors.constant or other in tensors.constant or not shape or min(shape) < 1:
        return None
    settings = {attribute.name: attribute.i for attribute in node.attribute}
    if kind in RECURRENT:
        hidden = settings.get("hidden_size", 0)
        return (weight, hidden, (hidden,)) if node.output[0] and hidden else None
    if kind.startswith("Conv"):
        channels = shape[0] if kind == "Conv" else shape[1] * settings.get("group", 1)
        return weight, channels, (1, channels, *[1] * (len(shape) - 2))
    if len(shape) < 2:
        return None
    if kind == "Gemm":
        channels = shape[0] if settings.get("transB", 0) else shape[1]
    elif weight == node.input[0]:
        return weight, shape[-2], (shape[-2], 1)
    else:
        channels = shape[-1]
    return weight, channels, (channels,)


class _TensorInfo:
    """The tensors of a graph: their shapes and types, constants and their origin, and the nodes that read them."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        values = (*graph.value_info, *graph.input, *graph.output)
        self.shapes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values}
        self.shapes |= {tensor.name: list(tensor.dims) for tensor in graph.initializer}
        self.constant = {tensor.name for tensor in graph.initializer}
        self._roots = {name: name for name in self.constant}
        self._types = {value.name: value.type.tensor_type.elem_type for value in values}
        self._outputs = {value.name for value in graph.output}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in tensors_read(node):
                self._readers.setdefault(name, []).append(node)

    def add(self, node: onnx.NodeProto) -> None:
        """Add a node, in topological order."""
        given = [name for name in node.input if name]
        if node.op_type != "Constant" and not (given and self.constant.issuperset(tensors_read(node))):
            return
        self.constant.update(node.output)
        largest = max(given, key=lambda name: int(np.prod(self.shapes.get(name, [0]))), default="")
        self._roots |= {output: self._roots.get(largest, "") for output in node.output}

    def root(self, name: str) -> str:
        """Return the stored weights that a constant tensor is computed from."""
        return self._roots.get(name, "") or name

    def with_bias(self, name: str, channels: int) -> str:
        """Return the tensor after the addition of a bias, if a tensor is used for nothing else."""
        readers = self._readers.get(name, [])
        if name in self._outputs or len(readers) != 1 or readers[0].op_type != "Add":
            return name
        (bias,) = [other for other in readers[0].input if other != name] or [name]
        fixed = bias in self.constant and int(np.prod(self.shapes.get(bias, [0]))) == channels
        return readers[0].output[0] if fixed else name

    def is_float(self, name: str) -> bool:
        """Whether a tensor is float32."""
        return self._types.get(name, onnx.TensorProto.FLOAT) == onnx.TensorProto.FLOAT


def _readable_name(root: str, method: str) -> str:
    """Make a readable name from that of a layer's weights or submodule; empty if it is meaningless."""
    name = root.removeprefix(f"{method}.").removeprefix(PARAMETERS).removeprefix("module.")
    while (shorter := _WEIGHT_SUFFIX.sub("", name)) != name:
        name = shorter
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("._-")
    return "" if _MEANINGLESS.fullmatch(name) else name


def _unused_name(name: str, taken: set[str]) -> str:
    k, free = 1, name
    while free in taken:
        k += 1
        free = f"{name}_{k}"
    return free
