"""Network bending: a scale and a shift for each channel of chosen layers, as live controls with defaults.

This is a pass over the finished graph, so it works for any model. After a convolution, a dense or a recurrent layer
(and its bias) it inserts a multiplication and an addition whose second operands are live controls of the method,
`bend.LAYER.scale` and `bend.LAYER.shift`. `export.format.graph.unbent` removes them; the stage plays the graph without
them as long as every bend is at rest.

The range of a shift is measured: four times the level (RMS) of the layer on random latents.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime as ort

from export.bending.bendable_layers import BendableLayer, all_layers, select_layers
from export.errors import ContractError
from export.format.card import AUDIO_IN, BEND, SCALE, SHIFT, Card, Control, input_channels
from export.format.graph import split, unbent
from export.format.io import load, save
from export.format.validation import validate
from export.proof.chunk_equality import Proof, prove
from export.proof.export_measurement import measure

SHIFT_LEVELS = 4.0
LEVEL_FRAMES = 32  # frames over which the level of a layer is measured


def bend(model: onnx.ModelProto, card: Card, layers: Sequence[str] | None = None) -> tuple[onnx.ModelProto, Card]:
    """Add live controls to chosen layers of a model; bends that it had before are removed.

    Parameters
    ----------
    model, card
        A whole model; it is not changed.
    layers
        Names, or patterns of names (`decoder.*`); `all`; or `auto` (also None), up to 16 layers with more than one
        channel, from all parts of the model.

    Returns
    -------
    model : onnx.ModelProto
    card : Card
        With the controls of the bends.

    Raises
    ------
    ContractError
        A pattern matches no layer, the model has no layers to bend, or too many were chosen.
    """
    model, card = unbent(model, card)
    chosen = select_layers(all_layers(model, card), layers)
    levels = dict(pair for method in card.methods for pair in _measure_levels(model, card, method, chosen))
    bent = onnx.ModelProto()
    bent.CopyFrom(model)
    methods = dict(card.methods)
    for name, method in card.methods.items():
        controls = [c for one in chosen if one.method == name for c in _controls(one, levels[one])]
        methods[name] = replace(method, controls=(*method.controls, *controls))
    _insert_bends(bent.graph, chosen)
    card = replace(card, methods=methods)
    validate(bent, card)
    return bent, card


def bend_file(
    source: str | os.PathLike[str], out: str | os.PathLike[str], layers: Sequence[str] | None = None
) -> Proof:
    """Write a model file with live controls for chosen layers.

    Parameters
    ----------
    source, out
        The model file to read, and the one to write.
    layers
        See `bend`.

    Returns
    -------
    Proof

    Raises
    ------
    ContractError
        `source` is not a model, there is no such layer, or the bent model doesn't stream; nothing is written.
    """
    model, card = bend(*load(source), layers)
    proof = prove(model, card)
    if not proof.holds:
        raise ContractError(f"{card.name} does not stream when it is bent, and was not written: {proof.failure()}")
    save(out, model, measure(model, card, proof=proof))
    return proof


def _measure_levels(
    model: onnx.ModelProto, card: Card, name: str, chosen: Sequence[BendableLayer]
) -> Iterator[tuple[BendableLayer, float]]:
    """Measure the RMS of a method's layers on random input, frame by frame, with controls at their defaults."""
    mine = [layer for layer in chosen if layer.method == name]
    if not mine:
        return
    method, part = card.method(name), split(model, name)
    wanted = [tensor for layer in mine for tensor in layer.tensors]
    there = {value.name for value in part.graph.output}
    extra = [onnx.helper.make_tensor_value_info(t, onnx.TensorProto.FLOAT, None) for t in wanted if t not in there]
    part.graph.output.extend(extra)
    session = ort.InferenceSession(part.SerializeToString(), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    samples = method.hop if name in AUDIO_IN else 1
    feeds = {f"{name}.control.{c.name}": np.full((1, c.size, 1), c.default, np.float32) for c in method.controls}
    feeds |= {f"{name}.state.{k}": rest for k, rest in enumerate(method.rest)}
    states = [f"{name}.state.{k}" for k in range(len(method.rest))]
    power = np.zeros(len(wanted))
    for _ in range(LEVEL_FRAMES):
        given = rng.standard_normal((1, input_channels(card, name), samples))
        if name == "decode":
            given = np.array(card.latent.mean)[:, None] + np.array(card.latent.std)[:, None] * given
        feeds[f"{name}.input"] = given.astype(np.float32)
        out = session.run([*wanted, *(f"{state}.next" for state in states)], feeds)
        power += np.array(
            [np.mean(np.square(values, dtype=float)) if values.size else 0.0 for values in out[: len(wanted)]]
        )
        feeds |= dict(zip(states, out[len(wanted) :], strict=True))
    level = dict(zip(wanted, np.sqrt(power / LEVEL_FRAMES).tolist(), strict=True))
    for layer in mine:
        yield layer, max(level[tensor] for tensor in layer.tensors)


def _controls(layer: BendableLayer, level: float) -> tuple[Control, Control]:
    """Describe the two live controls of a layer."""
    reach = float(f"{SHIFT_LEVELS * level:.1e}")
    reach = reach if np.isfinite(reach) and reach > 0 else 1.0
    channels = "channel" if layer.channels == 1 else f"{layer.channels} channels"
    what = f"{layer.name} ({layer.kind}, {channels})"
    return (
        Control(
            f"{BEND}{layer.name}{SCALE}",
            1.0,
            -SHIFT_LEVELS,
            SHIFT_LEVELS,
            text=f"Scale of the output of {what}.",
            size=layer.channels,
            per_frame=False,
        ),
        Control(
            f"{BEND}{layer.name}{SHIFT}",
            0.0,
            -reach,
            reach,
            text=f"Offset of the output of {what}.",
            size=layer.channels,
            per_frame=False,
        ),
    )


def _insert_bends(graph: onnx.GraphProto, chosen: Sequence[BendableLayer]) -> None:
    """Insert scale and shift after the layers; the result keeps the name of a layer's output."""
    bent = {tensor: layer for layer in chosen for tensor in layer.tensors}
    helper, ready = onnx.helper, set[str]()
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        nodes.append(node)
        for k, tensor in enumerate(node.output):
            layer = bent.get(tensor)
            if layer is None:
                continue
            where = f"{layer.method}.{BEND}{layer.name}"
            inputs = [f"{layer.method}.control.{BEND}{layer.name}{end}" for end in (SCALE, SHIFT)]
            reshaped = [f"{where}{end}" for end in (SCALE, SHIFT)]
            if layer.shape == (1, layer.channels, 1):
                reshaped = inputs
            elif where not in ready:
                shape = onnx.numpy_helper.from_array(np.array(layer.shape, np.int64), f"{where}.shape")
                graph.initializer.append(shape)
                nodes += [
                    helper.make_node("Reshape", [control, shape.name], [name], name=f"{name}.reshape")
                    for control, name in zip(inputs, reshaped, strict=True)
                ]
            if where not in ready:
                float32 = onnx.TensorProto.FLOAT
                size = [1, layer.channels, 1]
                graph.input.extend(helper.make_tensor_value_info(name, float32, size) for name in inputs)
            ready.add(where)
            plain, scaled = f"{tensor}.plain", f"{tensor}.scaled"
            node.output[k] = plain
            nodes += [
                helper.make_node("Mul", [plain, reshaped[0]], [scaled], name=f"{tensor}.scale"),
                helper.make_node("Add", [scaled, reshaped[1]], [tensor], name=f"{tensor}.shift"),
            ]
    made = onnx.GraphProto()
    made.node.extend(nodes)
    del graph.node[:]
    graph.node.extend(made.node)
