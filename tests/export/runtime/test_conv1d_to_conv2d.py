"""1-D convolutions rewritten as 2-D convolutions give the same values."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.errors import ContractError
from export.runtime.conv1d_to_conv2d import MIN_CHANNELS, convs_as_2d
from export.runtime.onnx_session import load_session, session, session_options


def convolution(channels: int, cast: bool = False, **attributes: Any) -> onnx.ModelProto:
    """One convolution with a bias; its weights are stored in half precision if `cast`."""
    rng = np.random.default_rng(0)
    inside = 8 // int(str(attributes.get("group", 1)))
    weight = rng.standard_normal((channels, inside, 3)).astype(np.float16)
    stored = numpy_helper.from_array(weight if cast else weight.astype(np.float32), "stored" if cast else "weight")
    bias = numpy_helper.from_array(rng.standard_normal(channels).astype(np.float32), "bias")
    nodes = [helper.make_node("Cast", ["stored"], ["weight"], to=TensorProto.FLOAT)] if cast else []
    nodes.append(helper.make_node("Conv", ["x", "weight", "bias"], ["y"], **attributes))
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, None, None]) for name in "xy")
    graph = helper.make_graph(nodes, "convolution", [x], [y], [stored, bias])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize("cast", [False, True])
@pytest.mark.parametrize(
    "attributes",
    [{}, {"dilations": [3]}, {"strides": [2]}, {"pads": [4, 1]}, {"group": 4}, {"kernel_shape": [3], "pads": [1, 1]}],
    ids=str,
)
def test_a_wide_convolution_is_the_same_in_2d(attributes: dict[str, object], cast: bool) -> None:
    model = convolution(MIN_CHANNELS, cast, **attributes)
    wide = convs_as_2d(model)
    assert [node.op_type for node in wide.graph.node][-4:] == ["Unsqueeze", "Unsqueeze", "Conv", "Squeeze"]
    x = np.random.default_rng(1).standard_normal((1, 8, 20)).astype(np.float32)
    (plain,) = load_session(model.SerializeToString(), session_options()).run(None, {"x": x})
    (image,) = session(model.SerializeToString()).run(None, {"x": x})
    np.testing.assert_allclose(image, plain, atol=1e-5)


@pytest.mark.parametrize(
    "model",
    [convolution(MIN_CHANNELS - 1), convolution(MIN_CHANNELS, auto_pad="SAME_LOWER")],
    ids=["narrow", "auto"],
)
def test_other_convolutions_stay_in_1d(model: onnx.ModelProto) -> None:
    assert [node.op_type for node in convs_as_2d(model).graph.node] == ["Conv"]


def test_an_invalid_graph_gives_one_sentence() -> None:
    with pytest.raises(ContractError, match="onnxruntime cannot load the graph"):
        load_session(b"nothing", session_options())
