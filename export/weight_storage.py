"""Smaller model files: weights stored in half precision or in eight bits, with the loss in dB.

Nodes in the graph convert the weights back to float32. onnxruntime folds them once, when it loads the graph, so a step
takes as long as before and any host can play the file. Only the file gets smaller.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal, cast, get_args

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.errors import ContractError
from export.format.card import AUDIO_IN, Card
from export.format.graph import split
from export.proof.rest_state import settle_rest_states
from export.runtime.frame_stepper import FrameStepper
from export.runtime.onnx_session import graph_errors, session

Weights = Literal["fp32", "fp16", "int8"]

MIN_WEIGHTS = 1024  # values; smaller tensors are left as they are
WEIGHT_INPUTS = {
    "Conv": (1,),
    "ConvTranspose": (1,),
    "Gemm": (0, 1),
    "MatMul": (0, 1),
    "GRU": (1, 2),
    "LSTM": (1, 2),
    "RNN": (1, 2),
}
"""Positions of the weights among the inputs of each operator."""
RESHAPING = ("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten")
FP16_MAX = 65_504.0
INT8_MAX = 127
FRAMES = 256
MAX_DB = 200.0


def known(kind: str) -> Weights:
    """Check the name of a weight type.

    Returns
    -------
    Weights
        The same name, typed.

    Raises
    ------
    ContractError
        There is no such type.
    """
    for each in get_args(Weights):
        if kind == each:
            return cast(Weights, each)
    raise ContractError(f"Weights are stored as {', '.join(get_args(Weights))}, not as '{kind}'; choose one of them.")


def quantize(model: onnx.ModelProto, card: Card, kind: str) -> tuple[onnx.ModelProto, Card, float]:
    """Store the weights of a model in fewer bits.

    Parameters
    ----------
    model : onnx.ModelProto
        The graph with all methods; it is not changed.
    card : Card
        Its card.
    kind : {"fp32", "fp16", "int8"}
        `fp16` is half precision. `int8` is integers from -127 to 127 with a scale for each slice of a tensor, along the
        axis with the smallest error. `fp32` changes nothing.

    Returns
    -------
    model : onnx.ModelProto
        The model with smaller weights.
    card : Card
        Its card, with the rest state that the caches settle in now, and the loss in the notes.
    snr_db : float
        Signal-to-error ratio against the original in dB, of the method with the largest loss, for random latents or
        noise with a fixed seed. 200 where there is no loss.

    Raises
    ------
    ContractError
        There is no such type of weights.
    """
    if known(kind) == "fp32":
        return model, card, MAX_DB
    small_model = _quantize_weights(model, kind)
    small_card = settle_rest_states(small_model, card)
    costs = {name: _signal_to_error_db(model, card, small_model, small_card, name) for name in card.methods}
    lost = ", ".join(f"{name} {cost:.0f} dB" for name, cost in costs.items())
    note = f"weights stored as {kind}; signal to error: {lost}"
    notes = "; ".join(part for part in (card.provenance.notes.rstrip(" ."), note) if part)
    small_card = dataclasses.replace(small_card, provenance=dataclasses.replace(card.provenance, notes=notes))
    return small_model, small_card, min(costs.values())


def _quantize_weights(model: onnx.ModelProto, kind: str) -> onnx.ModelProto:
    small_model = onnx.ModelProto()
    small_model.CopyFrom(model)
    small_model.graph.ClearField("initializer")
    small_model.graph.ClearField("node")
    weights = _layer_weights(model.graph)
    for tensor in model.graph.initializer:
        large = tensor.data_type == TensorProto.FLOAT and math.prod(tensor.dims) >= MIN_WEIGHTS
        packed = _pack(tensor.name, numpy_helper.to_array(tensor), kind) if large and tensor.name in weights else None
        tensors, nodes = packed or ([tensor], [])
        small_model.graph.initializer.extend(tensors)
        small_model.graph.node.extend(nodes)
    small_model.graph.node.extend(model.graph.node)
    return small_model


def _layer_weights(graph: onnx.GraphProto) -> set[str]:
    """Find the weights of layers; tables of frequencies, windows and the like keep their precision."""
    found: set[str] = set()
    for node in reversed(graph.node):  # a tensor's readers come after its producer
        if node.op_type in WEIGHT_INPUTS:
            found |= {node.input[k] for k in WEIGHT_INPUTS[node.op_type] if k < len(node.input)}
        elif node.op_type in RESHAPING and node.output[0] in found:
            found.add(node.input[0])
    return found - {value.name for value in graph.input}


def _pack(name: str, weight: np.ndarray, kind: str) -> tuple[list[TensorProto], list[onnx.NodeProto]] | None:
    """Give the tensors and nodes that restore a weight under its name; None if it can't be stored in this type."""
    small = f"{name}.{kind}"
    if not np.isfinite(weight).all():
        return None
    if kind == "fp16":
        if np.abs(weight).max() > FP16_MAX:
            return None
        half = numpy_helper.from_array(weight.astype(np.float16), small)
        return [half], [helper.make_node("Cast", [small], [name], to=TensorProto.FLOAT)]
    scale = _best_scale(weight)
    whole = np.clip(np.rint(weight / scale), -INT8_MAX, INT8_MAX).astype(np.int8)
    tensors = [numpy_helper.from_array(whole, small), numpy_helper.from_array(scale, f"{name}.scale")]
    nodes = [
        helper.make_node("Cast", [small], [f"{small}.float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{small}.float", f"{name}.scale"], [name]),
    ]
    return tensors, nodes


def _best_scale(weight: np.ndarray) -> np.ndarray:
    """Give the scales of slices along the axis with the smallest error; a slice has at least eight values."""
    best: np.ndarray | None = None
    least = np.inf
    for axis in range(weight.ndim):
        others = tuple(k for k in range(weight.ndim) if k != axis)
        if weight.size < 8 * weight.shape[axis]:
            continue
        peak = np.abs(weight).max(axis=others, keepdims=True)
        scale = (np.where(peak > 0, peak, 1.0) / INT8_MAX).astype(np.float32)
        error = float(np.square(weight - scale * np.rint(weight / scale)).sum())
        if error < least:
            best, least = scale, error
    if best is None:  # no axis has long enough slices
        best = np.full((1,) * weight.ndim, max(float(np.abs(weight).max()), 1e-30) / INT8_MAX, np.float32)
    return best


def _signal_to_error_db(
    model: onnx.ModelProto, card: Card, small_model: onnx.ModelProto, small_card: Card, name: str
) -> float:
    outputs = [_render(split(m, name), c, name) for m, c in ((model, card), (small_model, small_card))]
    signal, error = float(np.square(outputs[0]).sum()), float(np.square(outputs[0] - outputs[1]).sum())
    if error == 0.0 or signal == 0.0:
        return MAX_DB
    return min(MAX_DB, 10 * math.log10(signal / error))


def _render(part: onnx.ModelProto, card: Card, name: str) -> np.ndarray:
    """Run a method from its rest state on random latents or noise, controls at their defaults."""
    rng = np.random.default_rng(0)
    steps = FrameStepper(session(part.SerializeToString()), card, name)
    mean, std = np.array(card.latent.mean)[:, None], np.array(card.latent.std)[:, None]
    parts = []
    with graph_errors(name):
        for _ in range(FRAMES):
            value = rng.standard_normal(steps.input.shape[1:])
            steps.input[0] = mean + std * value if name == "decode" else 0.1 * value if name in AUDIO_IN else value
            steps.run()
            parts.append(steps.output.astype(np.float64))
    return np.concatenate(parts, axis=2)
