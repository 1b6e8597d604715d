"""Convolutions over a few samples, rewritten as matrix products.

At one latent frame a step, the first layers of a decoder process one to a few samples. onnxruntime's convolution is
made for long signals; its matrix product packs the weights once, when the model is loaded, and reads them
contiguously. Its transposed convolution adds overlaps sample by sample, where whole blocks can be added.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

MAX_SAMPLES = 8  # a product is faster up to this many samples
MIN_WEIGHTS = 4096


def convs_as_matmul(model: onnx.ModelProto) -> onnx.ModelProto:
    """Rewrite convolutions as matrix products where that is faster.

    Returns
    -------
    onnx.ModelProto
        A copy whose output differs by rounding only. Convolutions over a free axis are unchanged.
    """
    shapes = _shapes(model)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    readers: dict[str, int] = {}
    for node in model.graph.node:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
    nodes: list[onnx.NodeProto] = []
    added: list[onnx.TensorProto] = []
    gone: set[str] = set()
    for node in model.graph.node:
        writer = _NodeBuilder(node)
        weight = weights.get(node.input[1]) if len(node.input) > 1 else None
        given = shapes.get(node.input[0]) if node.input else None
        rewrite = {"Conv": _convolution, "ConvTranspose": _transposed}.get(node.op_type)
        done = False
        if rewrite is not None and weight is not None and given is not None and readers[weight.name] == 1:
            done = rewrite(writer, node, given, numpy_helper.to_array(weight))
        if not done:
            nodes.append(node)
            continue
        assert weight is not None
        nodes.extend(writer.nodes)
        added.extend(writer.weights)
        gone.add(weight.name)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.graph.node[:], result.graph.initializer[:], result.graph.value_info[:]
    result.graph.node.extend(nodes)
    result.graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name not in gone)
    result.graph.initializer.extend(added)
    return result


class _NodeBuilder:
    """Builds the nodes that replace one, with the names of its output and its weights."""

    def __init__(self, node: onnx.NodeProto) -> None:
        self.of = node
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, last: bool = False, **attributes: Any) -> str:
        name = f"{self.of.output[0]}.product.{len(self.nodes)}"
        output = self.of.output[0] if last else name
        self.nodes.append(helper.make_node(operator, inputs, [output], name=name, **attributes))
        return output

    def constant(self, value: np.ndarray, name: str = "") -> str:
        name = name or f"{self.of.output[0]}.product.constant.{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(value.copy(order="C"), name))
        return name

    def integers(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))


def _convolution(writer: _NodeBuilder, node: onnx.NodeProto, given: Sequence[int], weight: np.ndarray) -> bool:
    """Concatenate the inputs of all taps, and multiply once."""
    plain = {"strides": [1], "pads": [0, 0], "group": 1, "auto_pad": b"NOTSET"}
    if weight.ndim != 3 or weight.size < MIN_WEIGHTS or not _has_attributes(node, plain):
        return False
    outside, inside, taps = weight.shape
    dilation = _attribute(node, "dilations", [1])[0]
    length = given[2] - (taps - 1) * dilation
    if given[0] != 1 or not 1 < length <= MAX_SAMPLES:
        return False
    row = node.input[0]
    if taps > 1:
        axis = writer.integers(2)
        parts = [
            writer.add("Slice", row, writer.integers(k * dilation), writer.integers(k * dilation + length), axis)
            for k in range(taps)
        ]
        row = writer.add("Concat", *parts, axis=1)
    matrix = writer.constant(weight.transpose(2, 1, 0).reshape(taps * inside, outside), node.input[1])
    made = writer.add("MatMul", writer.add("Transpose", row, perm=[0, 2, 1]), matrix)
    if len(node.input) > 2 and node.input[2]:
        made = writer.add("Add", made, node.input[2])
    writer.add("Transpose", made, perm=[0, 2, 1], last=True)
    return True


def _transposed(writer: _NodeBuilder, node: onnx.NodeProto, given: Sequence[int], weight: np.ndarray) -> bool:
    """Multiply once, and add blocks with the length of a stride."""
    plain = {"dilations": [1], "pads": [0, 0], "output_padding": [0], "group": 1, "auto_pad": b"NOTSET"}
    if weight.ndim != 3 or weight.size < MIN_WEIGHTS or not _has_attributes(node, plain):
        return False
    inside, outside, taps = weight.shape
    stride = _attribute(node, "strides", [1])[0]
    blocks, length = taps // stride, given[2]
    if given[0] != 1 or taps % stride or blocks < 1:
        return False
    order = weight.reshape(inside, outside, blocks, stride).transpose(0, 2, 1, 3).reshape(inside, -1)
    matrix = writer.constant(order, node.input[1])
    made = writer.add("MatMul", writer.add("Transpose", node.input[0], perm=[0, 2, 1]), matrix)
    made = writer.add("Reshape", made, writer.integers(length, blocks, outside, stride))
    made = writer.add("Transpose", made, perm=[1, 2, 0, 3])
    total = ""
    for block in range(blocks):
        part = writer.add("Gather", made, writer.constant(np.array(block, np.int64)), axis=0)
        if blocks > 1:
            part = writer.add("Pad", part, writer.integers(0, block, 0, 0, blocks - 1 - block, 0))
        total = writer.add("Add", total, part) if total else part
    bias = node.input[2] if len(node.input) > 2 else ""
    shape = writer.integers(1, outside, (length + blocks - 1) * stride)
    total = writer.add("Reshape", total, shape, last=not bias)
    if bias:
        writer.add("Add", total, writer.add("Reshape", bias, writer.integers(1, outside, 1)), last=True)
    return True


def _has_attributes(node: onnx.NodeProto, plain: dict[str, Any]) -> bool:
    return all(_attribute(node, name, value) == value for name, value in plain.items())


def _attribute(node: onnx.NodeProto, name: str, otherwise: Any) -> Any:
    found = next((attribute for attribute in node.attribute if attribute.name == name), None)
    if found is None:
        return otherwise
    value = helper.get_attribute_value(found)
    return list(value) if isinstance(otherwise, list) else value


def _shapes(model: onnx.ModelProto) -> dict[str, list[int]]:
    """Return the shapes without free axes."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    found = {}
    for value in (*inferred.value_info, *inferred.input, *inferred.output):
        dims = value.type.tensor_type.shape.dim
        if all(dim.HasField("dim_value") for dim in dims):
            found[value.name] = [dim.dim_value for dim in dims]
    return found
