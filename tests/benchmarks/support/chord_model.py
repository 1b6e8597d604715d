"""A model whose sound is known: a chord that never steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

RATE = 48_000
HOP = 128


def chord_model(
    path: Path, frequencies: Sequence[float], *, sides: Sequence[float] = (1.0,), level: float = 0.4
) -> Path:
    """Write a model that plays a chord, detuned by latent 1: two semitones a standard deviation.

    The phases of its oscillators are the cache, so that the sound never steps, whatever the latent does.

    Parameters
    ----------
    frequencies
        Of the chord, Hz.
    sides
        Weight in each channel: `(1, 0)` plays on the left alone.
    level
        Peak amplitude.

    Returns
    -------
    Path
        `path`.
    """
    from onnx import TensorProto, helper, numpy_helper

    from export.format.card import Card, Latent, Method, Provenance
    from export.format.io import save

    count, channels = len(frequencies), len(sides)
    node = helper.make_node
    nodes = [
        node("Slice", ["decode.input", "zero", "one", "axis1"], ["first"]),  # [1, 1, frames]
        node("Mul", ["first", "octaves"], ["bend"]),
        node("Exp", ["bend"], ["ratio"]),
        node("Mul", ["ratio", "speeds"], ["speed"]),  # [1, voices, frames], turns a sample
        node("Mul", ["speed", "hop"], ["turns"]),
        node("CumSum", ["turns", "axis2s"], ["before"], exclusive=1),
        node("Add", ["before", "decode.state.0"], ["start"]),
        node("Unsqueeze", ["start", "axis3"], ["start4"]),
        node("Unsqueeze", ["speed", "axis3"], ["speed4"]),
        node("Mul", ["speed4", "samples"], ["within"]),  # [1, voices, frames, hop]
        node("Add", ["start4", "within"], ["phase"]),
        node("Mul", ["phase", "circle"], ["angle"]),
        node("Sin", ["angle"], ["voices"]),
        node("ReduceMean", ["voices", "axis1"], ["mean"], keepdims=1),
        node("Mul", ["mean", "level"], ["loud"]),  # [1, 1, frames, hop]
        node("Reshape", ["loud", "flat"], ["mono"]),
        node("Mul", ["mono", "sides"], ["decode.output"]),
        node("ReduceSum", ["turns", "axis2"], ["turned"], keepdims=1),
        node("Add", ["decode.state.0", "turned"], ["far"]),
        node("Floor", ["far"], ["whole"]),
        node("Sub", ["far", "whole"], ["decode.state.0.next"]),
    ]
    constants = {
        "zero": np.array([0]),
        "one": np.array([1]),
        "axis1": np.array([1]),
        "axis2": np.array([2]),
        "axis2s": np.array(2),
        "axis3": np.array([3]),
        "flat": np.array([1, 1, -1]),
        "octaves": np.array(np.log(2) / 6, np.float32),
        "speeds": (np.array(frequencies) / RATE).reshape(1, count, 1).astype(np.float32),
        "hop": np.array(HOP, np.float32),
        "samples": np.arange(HOP, dtype=np.float32).reshape(1, 1, 1, HOP),
        "circle": np.array(2 * np.pi, np.float32),
        "level": np.array(level, np.float32),
        "sides": np.array(sides, np.float32).reshape(1, channels, 1),
    }

    def value(name: str, shape: list[int | str]) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes,
        "chord",
        [value("decode.input", [1, 2, "frames"]), value("decode.state.0", [1, count, 1])],
        [value("decode.output", [1, channels, "samples"]), value("decode.state.0.next", [1, count, 1])],
        [numpy_helper.from_array(constant, name) for name, constant in constants.items()],
    )
    method = Method(hop=HOP, output="audio", channels=channels, rest=(np.zeros((1, count, 1), np.float32),))
    card = Card(path.stem, RATE, {"decode": method}, Latent.plain(2), Provenance(licence="CC0-1.0"))
    save(path, helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), card)
    return path
