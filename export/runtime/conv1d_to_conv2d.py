"""1-D convolutions rewritten as 2-D convolutions of height one.

onnxruntime has fast kernels for 2-D convolutions only. With many channels and few samples a step, as in the first
layers of a decoder that makes one frame, these take two thirds of the time. The output changes by rounding only.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

MIN_CHANNELS = 64  # with fewer, the reshapes cost as much as they save
HEIGHT = "stage.height"


def convs_as_2d(model: onnx.ModelProto) -> onnx.ModelProto:
    """Rewrite the 1-D convolutions of a model that have many channels as 2-D convolutions.

    Returns
    -------
    onnx.ModelProto
        A copy; the model itself is not changed.
    """
    sizes = _sizes(model.graph)
    made = onnx.ModelProto()
    made.CopyFrom(model)
    made.graph.ClearField("node")
    for node in model.graph.node:
        made.graph.node.extend(_as_conv2d(node) if _is_wide_conv1d(node, sizes) else [node])
    made.graph.initializer.append(numpy_helper.from_array(np.array([2], np.int64), HEIGHT))
    return made


def _sizes(graph: onnx.GraphProto) -> dict[str, list[int]]:
    """Find the sizes of all weights, including dequantised ones (`export.weight_storage`)."""
    sizes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type in ("Cast", "Mul") and all(name in sizes for name in node.input):
            sizes[node.output[0]] = sizes[node.input[0]]
    return sizes


def _is_wide_conv1d(node: onnx.NodeProto, sizes: dict[str, list[int]]) -> bool:
    if node.op_type != "Conv" or node.domain not in ("", "ai.onnx"):
        return False
    weight = sizes.get(node.input[1], [])
    padding = next((attribute.s for attribute in node.attribute if attribute.name == "auto_pad"), b"NOTSET")
    return len(weight) == 3 and weight[0] >= MIN_CHANNELS and padding == b"NOTSET"


def _as_conv2d(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    given = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    left, right = given.get("pads", (0, 0))
    image = f"{node.output[0]}.image"
    return [
        helper.make_node("Unsqueeze", [node.input[0], HEIGHT], [f"{image}.in"]),
        helper.make_node("Unsqueeze", [node.input[1], HEIGHT], [f"{image}.weight"]),  # folded when the graph is loaded
        helper.make_node(
            "Conv",
            [f"{image}.in", f"{image}.weight", *node.input[2:]],
            [image],
            dilations=[1, *given.get("dilations", (1,))],
            strides=[1, *given.get("strides", (1,))],
            pads=[0, left, 0, right],
            group=given.get("group", 1),
        ),
        helper.make_node("Squeeze", [image, HEIGHT], [node.output[0]]),
    ]
