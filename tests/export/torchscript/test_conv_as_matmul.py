"""Convolutions over a few samples as matrix products give the same output."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from export.torchscript.tracing.conv_as_matmul import convs_as_matmul


def model(
    operator: str, inside: int, length: int, weight: np.ndarray, bias: np.ndarray, **attributes: Any
) -> onnx.ModelProto:
    node = helper.make_node(operator, ["x", "w", "b"], ["y"], **attributes)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, inside, length])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    weights = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in (("w", weight), ("b", bias))]
    graph = helper.make_graph([node], "one", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def run(made: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": x})[0])


@settings(max_examples=30, deadline=None)
@given(taps=st.integers(1, 4), dilation=st.integers(1, 9), length=st.integers(2, 8), seed=st.integers(0, 99))
def test_a_convolution_is_a_product(taps: int, dilation: int, length: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight, bias = rng.standard_normal((64, 64, taps)) / 8, rng.standard_normal(64)
    whole = length + (taps - 1) * dilation
    plain = model("Conv", 64, whole, weight, bias, dilations=[dilation])
    made = convs_as_matmul(plain)
    assert "Conv" not in {node.op_type for node in made.graph.node}
    x = rng.standard_normal((1, 64, whole)).astype(np.float32)
    np.testing.assert_allclose(run(made, x), run(plain, x), atol=2e-5)


@settings(max_examples=30, deadline=None)
@given(stride=st.integers(1, 5), blocks=st.integers(1, 3), length=st.integers(1, 20), seed=st.integers(0, 99))
def test_a_transposed_convolution_is_a_product(stride: int, blocks: int, length: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight, bias = rng.standard_normal((64, 64, stride * blocks)) / 8, rng.standard_normal(64)
    plain = model("ConvTranspose", 64, length, weight, bias, strides=[stride])
    made = convs_as_matmul(plain)
    assert "ConvTranspose" not in {node.op_type for node in made.graph.node}
    x = rng.standard_normal((1, 64, length)).astype(np.float32)
    np.testing.assert_allclose(run(made, x), run(plain, x), atol=2e-5)


def test_other_convolutions_are_unchanged() -> None:
    rng = np.random.default_rng(0)
    weight, bias = rng.standard_normal((64, 64, 4)), rng.standard_normal(64)
    for plain in (
        model("Conv", 64, 200, weight, bias),
        model("Conv", 64, 9, weight, bias, strides=[2]),
        model("Conv", 64, 5, weight, bias, pads=[1, 1]),
        model("Conv", 256, 8, weight, bias, group=4),
        model("ConvTranspose", 64, 4, weight, bias, strides=[3]),
        model("ConvTranspose", 64, 4, weight, bias, strides=[2], pads=[1, 1]),
    ):
        assert convs_as_matmul(plain).graph.node[0].op_type == plain.graph.node[0].op_type
